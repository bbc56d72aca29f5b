"""What is searched: a photo, the photos in a folder, or the frames of a video."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskbus.cli.failure import CommandFailed
from maskbus_client import picture
from maskbus_wire import compressed_image

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


@dataclass(frozen=True)
class Picture:
    """One picture to search."""

    name: str
    """Its file's name; for a frame, one made of its number."""
    sent: bytes | NDArray[np.uint8]
    """The file's bytes, or BGR (H, W, 3)."""

    def rgb(self) -> NDArray[np.uint8]:
        """Return the pixels, RGB uint8 (H, W, 3), upright."""
        return picture.from_file(self.sent) if isinstance(self.sent, bytes) else self.sent[:, :, ::-1]


@dataclass(frozen=True)
class Source(ABC):
    """Where pictures come from."""

    path: Path
    count: int | None
    """How many pictures there are; None where that is not known beforehand."""

    @abstractmethod
    def pictures(self) -> Generator[Picture, None, None]:
        """Yield one after the other. CommandFailed or OSError for one that cannot be read."""


class Photo(Source):
    """One file."""

    def pictures(self) -> Generator[Picture, None, None]:
        """Yield it."""
        yield _read(self.path)


@dataclass(frozen=True)
class Folder(Source):
    """The photos in a directory, by name; not those in directories below it."""

    files: tuple[Path, ...]

    def pictures(self) -> Generator[Picture, None, None]:
        """Yield one after the other."""
        for file in self.files:
            yield _read(file)


@dataclass(frozen=True)
class Video(Source):
    """Frames of a video."""

    frames_per_second: float
    first: int
    last: int | None
    every: int

    def pictures(self) -> Generator[Picture, None, None]:
        """Yield every so many of the frames from `first` to `last`, both included, counted from 0."""
        capture = _capture(self.path)
        try:
            number = 0
            # Frames in between are not converted to pixels, which is most of the work.
            while (self.last is None or number <= self.last) and capture.grab():
                if number >= self.first and (number - self.first) % self.every == 0:
                    whole, pixels = capture.retrieve()
                    if not whole:
                        raise CommandFailed(f"{self.path}: frame {number} is damaged.")
                    yield Picture(f"frame-{number:06}", pixels)
                number += 1
        finally:
            capture.release()


def find(name: str, *, first: int = 0, last: int | None = None, every: int = 1) -> Source:
    """Return what `name` is.

    Args:
        name: Of a file or a directory.
        first: The first frame of a video.
        last: Its last one; None: to its end.
        every: Only each of so many frames.

    Raises:
        CommandFailed: if it is neither, or there is nothing in it.
        OSError: if it cannot be read.
    """
    path = Path(name)
    if path.is_dir():
        files = photos_in(path)
        return Folder(path, len(files), tuple(files))
    with path.open("rb") as file:
        beginning = file.read(64)
    if _is_picture(path, beginning):
        _read(path)  # before a node is bothered
        return Photo(path, 1)
    return _video(path, first, last, every)


def photos_in(directory: Path) -> list[Path]:
    """Return the photos in a directory, by name. CommandFailed if there are none, OSError if it cannot be read."""
    files = sorted(file for file in directory.iterdir() if file.suffix.lower() in _SUFFIXES and file.is_file())
    if not files:
        raise CommandFailed(f"There is no JPEG, PNG or WebP file in {directory}.")
    return files


def _is_picture(path: Path, beginning: bytes) -> bool:
    # By its name as well, so that a damaged photo is called that, and not a damaged video.
    known = beginning.startswith((b"\xff\xd8\xff", b"\x89PNG")) or beginning[8:12] == b"WEBP"
    return known or path.suffix.lower() in _SUFFIXES


def _read(path: Path) -> Picture:
    data = path.read_bytes()
    try:
        compressed_image.probe(data)
    except ValueError:
        raise CommandFailed(f"{path} is not a JPEG, PNG or WebP picture.") from None
    return Picture(path.name, data)


def _video(path: Path, first: int, last: int | None, every: int) -> Video:
    import cv2

    capture = _capture(path)
    try:
        rate = capture.get(cv2.CAP_PROP_FPS)
        frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if not capture.grab():
            raise CommandFailed(f"{path} is neither a JPEG, PNG or WebP picture nor a video that OpenCV can read.")
    finally:
        capture.release()
    if 0 < frames <= first:
        raise CommandFailed(f"{path} has {frames} frames: --frames begins beyond its end.")
    end = frames if last is None else min(frames, last + 1)
    # Some containers do not say.
    count = len(range(first, end, every)) if frames > 0 else None
    return Video(path, count, rate if 0 < rate < 1000 else 25.0, first, last, every)


def _capture(path: Path) -> Any:
    # Read when OpenCV is loaded, and when it opens its first video: what it would print is said here in other words.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    return cv2.VideoCapture(str(path))
