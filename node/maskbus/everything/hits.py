"""A mask that a point has found, before duplicates are removed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import FoundObject

BoolArray = npt.NDArray[np.bool_]


@dataclass
class Hit:
    """A mask in the pixels of the crop it was found in."""

    patch: BoolArray
    """(height, width) the mask from its first to its last row and column."""
    x: int
    y: int
    predicted_iou: float
    stability_score: float
    point: int
    """Index of the point in what was decoded at once."""


@dataclass
class Kept:
    """A mask in the pixels of the image, put away: thousands wait until all points are through."""

    bbox: tuple[int, int, int, int]
    runs: npt.NDArray[np.int32]
    first: bool
    predicted_iou: float
    stability_score: float
    at: tuple[float, float]
    crop_box: tuple[int, int, int, int]

    @classmethod
    def of(cls, one: FoundObject) -> Kept:
        """Put a mask away: of its patch only the pixels are noted, row by row, at which it changes."""
        flat = one.patch.ravel()
        runs = np.flatnonzero(flat[1:] != flat[:-1]).astype(np.int32)
        return cls(one.bbox, runs, bool(flat[0]), one.predicted_iou, one.stability_score, one.point, one.crop_box)

    def patch(self) -> BoolArray:
        """Return the mask inside of `bbox`, (height, width)."""
        _, _, width, height = self.bbox
        ends = np.concatenate([[-1], self.runs, [width * height - 1]])
        values = np.arange(len(ends) - 1) % 2 == (0 if self.first else 1)
        return np.repeat(values, np.diff(ends)).reshape(height, width)


def trimmed(mask: BoolArray) -> tuple[int, int, BoolArray]:
    """Return x and y of the first column and row that a mask has, and the mask from there to its last ones.

    A mask without a pixel comes back as one of no size.
    """
    import cv2

    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return x, y, np.ascontiguousarray(mask[y : y + height, x : x + width])
