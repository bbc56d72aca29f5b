"""A video of frames that do not come at a steady rate, or not all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskbus.cli.failure import CommandFailed

_LONGEST_PAUSE_S = 2.0


class StreamVideo:
    """Write frames to an MPEG-4 file, each at its own time: one stays until the next, or two seconds at most."""

    def __init__(self, path: Path, rate: float) -> None:
        """Begin; the file is made with the first frame.

        Args:
            path: The file.
            rate: The file's own frames a second.
        """
        self.path = path
        self.frames = 0
        """How many were written, each counted once."""
        self._rate = rate
        self._writer: Any = None
        self._size = (0, 0)
        self._last: NDArray[np.uint8] | None = None
        self._place = 0

    def write(self, bgr: NDArray[np.uint8], seconds: float) -> None:
        """Append a frame, unless one stands at its time already.

        Args:
            bgr: uint8 (H, W, 3). One of another size than the first is scaled to that.
            seconds: Its time, on any clock that goes on evenly.

        Raises:
            CommandFailed: if OpenCV cannot write the file.
        """
        import cv2

        place = round(seconds * self._rate)
        if self._writer is None:
            self._open(bgr)
            self._place = place - 1
        if place <= self._place:
            return
        if (bgr.shape[1], bgr.shape[0]) != self._size:
            bgr = np.asarray(cv2.resize(bgr, self._size), np.uint8)
        pause = min(place - self._place - 1, round(_LONGEST_PAUSE_S * self._rate))
        if self._last is not None:
            for _ in range(pause):
                self._writer.write(self._last)
        self._writer.write(bgr)
        self._last, self._place = bgr, place
        self.frames += 1

    def close(self) -> None:
        """Write the end of the file."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None

    def _open(self, bgr: NDArray[np.uint8]) -> None:
        import cv2

        self._size = (bgr.shape[1], bgr.shape[0])
        self._writer = cv2.VideoWriter(str(self.path), cv2.VideoWriter.fourcc(*"mp4v"), self._rate, self._size)
        if not self._writer.isOpened():
            raise CommandFailed(f"OpenCV cannot write {self.path} here.")
