"""Where the pictures of everything mode go: a PNG file, a directory of them, or a video."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskbus.cli.everything_sources import Photo, Source, Video
from maskbus.cli.failure import CommandFailed
from maskbus_client import picture

_VIDEO = ".mp4"


class Target(ABC):
    """Takes the pictures, one after the other."""

    path: Path

    @abstractmethod
    def write(self, name: str, rgb: NDArray[np.uint8]) -> None:
        """Write the picture called `name`, RGB uint8 (H, W, 3)."""

    def close(self) -> None:  # noqa: B027 — most have nothing to finish
        """Finish what was written."""


class PngFile(Target):
    """One picture."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, rgb: NDArray[np.uint8]) -> None:
        """Write it."""
        picture.write_png(self.path, rgb)


class PngFolder(Target):
    """One file a picture."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, rgb: NDArray[np.uint8]) -> None:
        """Write one of them; the directory is made with the first."""
        self.path.mkdir(exist_ok=True)
        # By its whole name: a.jpg and a.png are two pictures.
        picture.write_png(self.path / f"{name.removesuffix('.png')}.png", rgb)


class VideoFile(Target):
    """One frame a picture, MPEG-4."""

    def __init__(self, path: Path, frames_per_second: float) -> None:
        self.path = path
        self._rate = frames_per_second
        self._writer: Any = None

    def write(self, name: str, rgb: NDArray[np.uint8]) -> None:
        """Append it."""
        import cv2

        if self._writer is None:
            size = (rgb.shape[1], rgb.shape[0])
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self.path), code, self._rate, size)
            if not self._writer.isOpened():
                raise CommandFailed(f"OpenCV cannot write {self.path} here: name a directory, for PNG files.")
        self._writer.write(np.ascontiguousarray(rgb[:, :, ::-1]))

    def close(self) -> None:
        """Write the end of the file."""
        if self._writer is not None:
            self._writer.release()


def find(out: str | None, source: Source) -> Target:
    """Return where the pictures of `source` go.

    Args:
        out: As the user has named it; None: a name made of the source's, in the current directory.
        source: What is searched.

    Raises:
        CommandFailed: if they cannot go there.
    """
    name = f"{source.path.resolve().stem}-everything"
    if isinstance(source, Photo):
        path = Path(out or f"{name}.png")
        if path.suffix.lower() != ".png":
            raise CommandFailed(f"--out writes a PNG file: give it a name that ends in .png, not {path}.")
    elif isinstance(source, Video):
        path = Path(out or f"{name}{_VIDEO}")
        if path.suffix and path.suffix.lower() != _VIDEO and not path.is_dir():
            raise CommandFailed(f"--out writes an {_VIDEO} file, or a directory of PNG files, not {path}.")
    else:
        path = Path(out or name)
    if path.resolve() == source.path.resolve():
        raise CommandFailed(f"--out {path} would overwrite what it is made of.")
    if not path.parent.is_dir():
        raise CommandFailed(f"--out {path}: there is no directory {path.parent}.")
    if isinstance(source, Photo):
        return PngFile(path)
    if isinstance(source, Video) and path.suffix.lower() == _VIDEO and not path.is_dir():
        return VideoFile(path, source.frames_per_second / source.every)
    if path.exists() and not path.is_dir():
        raise CommandFailed(f"--out {path} is a file: several pictures go to a directory.")
    return PngFolder(path)
