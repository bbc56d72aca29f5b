"""One frame of a stream: as it came, and as a JPEG once somebody looks at it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskbus_wire import compressed_image, raw_image
from maskbus_wire.frames import Buffer
from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.prompts import Image

Key: TypeAlias = tuple[int | None, int | None]
"""`seq` and `stamp`: what tells which masks belong to a frame."""

_QUALITY = 80
_SMALL_FILE = 256 * 1024
"""Bytes up to which a JPEG that the camera made goes on as it is."""


class Jpeg(NamedTuple):
    """A frame as browsers take it."""

    data: bytes
    width: int
    """Of the upright frame in pixels, whatever the JPEG's own size."""
    height: int
    side: int
    """The longer side that was wanted when it was made."""


@dataclass
class Frame:
    """A frame that may still be shown."""

    key: Key
    image: Image
    data: Buffer | None
    """Its bytes as they came; None once only the JPEG is kept."""
    received: float
    """When it came, on the monotonic clock, seconds."""
    jpeg: Jpeg | None = None

    @property
    def nbytes(self) -> int:
        """Bytes that it holds."""
        return (0 if self.data is None else len(self.data)) + (0 if self.jpeg is None else len(self.jpeg.data))

    def develop(self, side: int) -> Jpeg:
        """Return the frame as a JPEG whose longer side has at most `side` pixels.

        One that was made for fewer is made again, as long as the frame's own bytes are there.

        Raises:
            ValueError: if its bytes are no picture.
        """
        found, data = self.jpeg, self.data
        if data is not None and (found is None or found.side < side):
            found = self.jpeg = encode(self.image, data, side)
        if found is None:
            raise ValueError("the frame is no picture")
        return found

    def press(self, side: int) -> None:
        """Keep the JPEG alone; nothing at all of a frame that is no picture."""
        with suppress(ValueError):
            self.develop(side)
        self.data = None


def encode(image: Image, data: Buffer, side: int) -> Jpeg:
    """Return a frame's bytes as a JPEG, its longer side at most `side` pixels. ValueError if they are no picture."""
    if image.encoding == "jpeg" and len(data) <= _SMALL_FILE:
        _, width, height = compressed_image.probe(data)
        if max(width, height) <= 2 * side:
            return Jpeg(bytes(data), width, height, side)
    pixels, order = _pixels(image, data)
    height, width = pixels.shape[:2]
    return Jpeg(_compress(pixels, order, side), width, height, side)


def _pixels(image: Image, data: Buffer) -> tuple[NDArray[np.uint8], str]:
    """Return (H, W) or (H, W, 3 or 4), and the order of its channels."""
    if image.encoding in raw_image.CHANNELS:
        view = raw_image.view(data, image.width or 0, image.height or 0, image.step or 0, image.encoding)
        return view, image.encoding
    return compressed_image.decode(data, max_pixels=DEFAULT_LIMITS.pixels)


def _compress(pixels: NDArray[np.uint8], order: str, side: int) -> bytes:
    import cv2

    longer = max(pixels.shape[:2])
    if longer > side:
        # Shrunk before its channels are put in order: there are fewer pixels then.
        height, width = (max(1, round(extent * side / longer)) for extent in pixels.shape[:2])
        pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    turn = {"rgb8": cv2.COLOR_RGB2BGR, "rgba8": cv2.COLOR_RGBA2BGR, "bgra8": cv2.COLOR_BGRA2BGR}.get(order)
    if turn is not None:
        pixels = np.asarray(cv2.cvtColor(pixels, turn), np.uint8)
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise ValueError("the frame could not be made a JPEG")
    return bytes(data)
