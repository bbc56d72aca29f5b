"""What LeRobot's image server publishes: JSON that holds the newest frame of each of its cameras."""

from __future__ import annotations

import base64
import binascii
import json
import math
import time
from typing import Any

import zmq

from maskbus.adapters.sources.live import MOST_CAMERAS
from maskbus.adapters.sources.source import Captured, Tell
from maskbus.adapters.sources.zmq_source import BadMessage, ZmqSource
from maskbus_wire import compressed_image
from maskbus_wire.limits import DEFAULT_LIMITS

_MOST_NAME = 120


class LerobotServer(ZmqSource):
    """Connect to a server, and take all its cameras or one of them.

    The server hands RGB pixels to an encoder that takes them for BGR, so red and blue are swapped in its files. Its
    own client swaps them back without a word, and so does this, unless told not to.
    """

    def __init__(self, host: str, port: int, camera: str, tell: Tell, *, swap: bool = True) -> None:
        """Connect to HOST:PORT, whether or not anybody is there yet.

        Args:
            host: The server's.
            port: The same.
            camera: The one that is wanted; empty: all.
            tell: See `Tell`.
            swap: Whether red and blue are swapped.

        Raises:
            SourceFailed: if that can be no address.
        """
        super().__init__(f"lerobot://{host}:{port}", tell)
        self._camera = camera
        self._swap = swap
        self._socket = self._open(zmq.SUB, host, port, bind=False)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")

    @property
    def name(self) -> str:
        """See `Source`."""
        return self._camera or "lerobot"

    def _read(self) -> None:
        while not self._ending.is_set():
            parts = self._receive(self._socket, 1)
            if parts is not None:
                self._take(parts)

    def _release(self) -> None:
        self._socket.close()
        self._context.term()

    def _frames_in(self, parts: list[bytes]) -> list[Captured]:
        images, stamps = _read(parts)
        if self._camera:
            if self._camera not in images:
                names = ", ".join(sorted(map(str, images)))[:200]
                raise BadMessage(f"there is no camera {self._camera!r} there, but {names or 'none'}")
            # Which of several cameras it is need not be said where only one is wanted.
            return [self._frame(images[self._camera], stamps.get(self._camera), "")]
        return [self._frame(image, stamps.get(name), name[:_MOST_NAME]) for name, image in images.items()]

    def _frame(self, text: Any, stamp: Any, camera: str) -> Captured:
        try:
            data = base64.b64decode(text, validate=True)
            encoding, width, height = compressed_image.probe(data)
        except (TypeError, ValueError, binascii.Error):
            raise BadMessage("an image is no JPEG file in Base64") from None
        taken = _nanoseconds(stamp)
        if not self._swap:
            return Captured(data, stamp=taken, camera=camera)
        try:
            pixels, _ = compressed_image.decode(data, max_pixels=DEFAULT_LIMITS.pixels)
        except ValueError as error:
            raise BadMessage(f"a {encoding} file of {width} × {height} pixels: {error}") from None
        # Decoded as BGR; and as red and blue were swapped when it was made, that is RGB.
        return Captured(pixels, color="rgb", stamp=taken, camera=camera)


def _read(parts: list[bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the images and stamps of a message by camera. BadMessage if it is none."""
    if len(parts) != 1:
        raise BadMessage(f"a message has one part, not {len(parts)}")
    try:
        plain = json.loads(parts[0])
    except (ValueError, RecursionError):
        plain = None
    images = plain.get("images") if isinstance(plain, dict) else None
    if not isinstance(images, dict):
        raise BadMessage("the message is no JSON object with images")
    if len(images) > MOST_CAMERAS:
        raise BadMessage(f"{len(images)} cameras; there are {MOST_CAMERAS} at most")
    stamps = plain.get("timestamps")
    return images, stamps if isinstance(stamps, dict) else {}


def _nanoseconds(seconds: Any) -> int:
    """Return a time of the server's in nanoseconds since the epoch; now, where it is none."""
    if isinstance(seconds, (int, float)) and math.isfinite(seconds) and 0 < seconds < 2**33:
        return round(seconds * 1e6) * 1000  # no finer than a float of that size can tell
    return time.time_ns()
