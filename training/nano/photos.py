"""Photos with masks of objects: what there is to learn from, and which of them are only looked at to compare."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]


@dataclass
class Photo:
    """One photo."""

    key: str
    pixels: UInt8Array
    """(H, W, 3) RGB."""
    masks: list[UInt8Array]
    """(H, W) each, 255 = object."""


def read(folder: Path, *, held_out: int) -> tuple[list[Photo], list[Photo]]:
    """Return the photos to train on and those to compare on.

    Args:
        folder: With `images/<key>.jpg` and `masks/<key>_<number>.png`.
        held_out: One photo of so many, chosen by its key's digest, is not trained on.

    Raises:
        FileNotFoundError: if there are none.
    """
    train: list[Photo] = []
    compare: list[Photo] = []
    of_key: dict[str, list[Path]] = {}
    for path in sorted((folder / "masks").glob("*.png")):
        of_key.setdefault(path.stem.rpartition("_")[0], []).append(path)
    for key, paths in of_key.items():
        pixels = cv2.imread(str(folder / "images" / f"{key}.jpg"), cv2.IMREAD_COLOR)
        if pixels is None:
            continue
        found = [mask for path in paths if (mask := cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)) is not None]
        masks = [np.asarray(mask, np.uint8) for mask in found if mask.shape == pixels.shape[:2] and mask.any()]
        if masks:
            photo = Photo(key, np.ascontiguousarray(pixels[:, :, ::-1], np.uint8), masks)
            picked = hashlib.sha256(key.encode()).digest()[0] % held_out == 0
            (compare if picked else train).append(photo)
    if not train:
        raise FileNotFoundError(f"There are no photos with masks in {folder}.")
    return train, compare
