"""Cameras that OpenCV reads: devices of this machine, and addresses on the network."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from maskbus.adapters.sources import opencv
from maskbus.adapters.sources.backoff import Backoff
from maskbus.adapters.sources.live import LiveSource
from maskbus.adapters.sources.source import Captured, SourceFailed, Tell


class VideoDevice(LiveSource):
    """The newest frame of a camera. One that goes away is looked for again, for as long as it takes."""

    def __init__(
        self, title: str, name: str, open_capture: Callable[[], Any], tell: Tell, *, backoff: Backoff | None = None
    ) -> None:
        """Open it.

        Args:
            title: What it is called in messages.
            name: See `Source.name`.
            open_capture: Opens it; returns what has the methods of `cv2.VideoCapture`.
            tell: Told when it goes and comes back.
            backoff: The pauses between tries.

        Raises:
            SourceFailed: if it is not there now.
        """
        super().__init__(tell)
        self._title = title
        self._name = name
        self._open = open_capture
        self._backoff = backoff or Backoff()
        self._capture = open_capture()
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceFailed(f"{title} cannot be opened: it is not there, is in use, or OpenCV cannot read it.")

    @property
    def name(self) -> str:
        """See `Source`."""
        return self._name

    def _read(self) -> None:
        away = False
        while not self._ending.is_set():
            whole, pixels = self._capture.read() if self._capture.isOpened() else (False, None)
            if whole and pixels is not None:
                if away:
                    self._tell(f"{self._title} is back.")
                    away = False
                self._backoff.reset()
                self._put(Captured(pixels, stamp=time.time_ns()))
                continue
            pause = self._backoff.next()
            if not away:
                self._tell(f"{self._title} has gone away; it is looked for, first in {pause:.1f} s.")
                away = True
            self._capture.release()
            if not self._ending.wait(pause):
                self._capture = self._open()

    def _release(self) -> None:
        self._capture.release()


def local(number: int, tell: Tell) -> VideoDevice:
    """Return the camera with this number."""
    return VideoDevice(f"Camera {number}", f"camera{number}", lambda: opencv.capture(number), tell)


def device(path: str, tell: Tell) -> VideoDevice:
    """Return the camera with this file, such as /dev/video0."""
    return VideoDevice(path, path.rpartition("/")[2], lambda: opencv.capture(path), tell)


def remote(address: str, tell: Tell) -> VideoDevice:
    """Return the camera at this address, rtsp or http. User and password in it are not repeated in messages."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        host = None
    if not host:
        raise SourceFailed(f"An address is {address.partition(':')[0]}://HOST/PATH.")
    title = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return VideoDevice(title, host, lambda: opencv.capture(address, remote=True), tell)
