"""The frames of a video file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from maskbus.adapters.sources import opencv
from maskbus.adapters.sources.source import Captured, Source, SourceFailed

_ANY_RATE = 25.0
"""Where the file does not say."""


class VideoFile(Source):
    """Each frame, in order."""

    live = False

    def __init__(self, path: Path) -> None:
        """Look at the file. OSError if it cannot be read, SourceFailed if it is no video."""
        super().__init__()
        import cv2

        self.path = path
        path.open("rb").close()
        self._closed = False
        self._using = threading.Lock()
        self._capture = opencv.capture(str(path))
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.rate = rate if 0 < rate < 1000 else _ANY_RATE
        self.count = count if count > 0 else None
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceFailed(f"{path} is not a video that OpenCV can read.")

    @property
    def name(self) -> str:
        """The file's, without its ending."""
        return self.path.stem

    def frames(self) -> Iterator[Captured]:
        """Yield them. What the file announces and does not hold is counted as unreadable."""
        found = 0
        while True:
            with self._using:
                if self._closed:
                    return
                whole, pixels = self._capture.read()
            if not whole:
                break
            found += 1
            yield Captured(pixels)
        if not found:
            raise SourceFailed(f"{self.path} is not a video that OpenCV can read.")
        self.unreadable = max(0, (self.count or 0) - found)

    def close(self) -> None:
        """Close the file."""
        with self._using:
            self._closed = True
            self._capture.release()
