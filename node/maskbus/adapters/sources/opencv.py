"""OpenCV's capture of files and devices, and nothing of what it prints."""

from __future__ import annotations

import os
from typing import Any

_PATIENCE_MS = 5_000
"""For a camera on the network to answer."""


def capture(what: str | int, *, remote: bool = False) -> Any:
    """Return a `cv2.VideoCapture` of a file's name, an address, or a device's number. It may not be open."""
    # Read when OpenCV is loaded, and when it opens its first video: what it would print is said here in other words.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    if not remote:
        return cv2.VideoCapture(what)
    patience = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _PATIENCE_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _PATIENCE_MS]
    return cv2.VideoCapture(str(what), cv2.CAP_FFMPEG, patience)
