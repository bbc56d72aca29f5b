"""Photos with the masks of their objects, in a folder with images/ and masks/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
OBJECT, IGNORED = 255, 128
_MASKS = (".png", ".bmp")


class BadPhoto(ValueError):
    """Say in one sentence what is wrong with a photo or its mask."""


@dataclass(frozen=True)
class Photo:
    """A photo and one object of it."""

    name: str
    bgr: UInt8
    """(H, W, 3)."""
    truth: UInt8
    """(H, W): 255 object, 0 background, 128 not counted."""

    def scaled(self, pixels: int) -> Photo:
        """Return the photo at about so many pixels."""
        height, width = self.truth.shape
        factor = (pixels / (height * width)) ** 0.5
        size = round(width * factor), round(height * factor)
        method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        return Photo(
            self.name,
            np.asarray(cv2.resize(self.bgr, size, interpolation=method), np.uint8),
            np.asarray(cv2.resize(self.truth, size, interpolation=cv2.INTER_NEAREST), np.uint8),
        )


@dataclass(frozen=True)
class Example:
    """The files of a photo: fifty photos in memory would be counted as the model's."""

    name: str
    picture: Path
    mask: Path

    def read(self) -> Photo:
        """Return the photo.

        Raises:
            BadPhoto: if a file cannot be read, or the mask is not one of this photo.
        """
        bgr, truth = _read(self.picture, cv2.IMREAD_COLOR), _read(self.mask, cv2.IMREAD_GRAYSCALE)
        if truth.shape != bgr.shape[:2]:
            sizes = " and ".join(f"{one.shape[1]} × {one.shape[0]}" for one in (truth, bgr))
            raise BadPhoto(f"{self.mask} and {self.picture} differ in size: {sizes}.")
        if strange := sorted(set(np.unique(truth).tolist()) - {0, IGNORED, OBJECT}):
            raise BadPhoto(f"{self.mask} has the value {strange[0]}: a mask is 0, 255 where the object is, or 128.")
        if not (truth == OBJECT).any():
            raise BadPhoto(f"{self.mask} has no object: no pixel is 255.")
        return Photo(self.name, bgr, truth)


def is_folder(folder: Path) -> bool:
    """Tell whether there is an images/ and a masks/."""
    return (folder / "images").is_dir() and (folder / "masks").is_dir()


def examples(folder: Path, names: list[str], limit: int | None) -> list[Example]:
    """Return the photos that have a mask, by name.

    `images/dog.jpg` has the mask `masks/dog.png` or `.bmp`. Where it has several objects these are `dog_1.png`,
    `dog_2.png` and so on, and each counts as a photo of its own.

    Args:
        folder: With images/ and masks/.
        names: Only these, stems of photos or masks; all where it is empty.
        limit: Only the first so many.
    """
    pictures = {path.stem: path for path in sorted((folder / "images").iterdir()) if path.is_file()}
    found = []
    for mask in sorted(path for path in (folder / "masks").iterdir() if path.suffix.lower() in _MASKS):
        photo = _photo_of(mask.stem, pictures)
        if photo is not None and (not names or mask.stem in names or photo in names):
            found.append(Example(mask.stem, pictures[photo], mask))
    return found[:limit]


def _read(path: Path, mode: int) -> UInt8:
    read = cv2.imread(str(path), mode)
    if read is None:
        raise BadPhoto(f"{path} cannot be read as a picture.")
    return np.asarray(read, np.uint8)


def _photo_of(mask: str, pictures: dict[str, Path]) -> str | None:
    """Return the photo whose name is that of the mask, or the longest beginning of it."""
    for end in range(len(mask), 0, -1):
        if mask[:end] in pictures and (end == len(mask) or not mask[end].isalnum()):
            return mask[:end]
    return None
