"""The parts that a mask has, and the holes in them.

Pixels of a mask that touch at a corner belong to one part; pixels of the background do not. So a line that is one pixel
wide closes a hole off, and a ring of such a line is one part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]


def without_holes(mask: BoolArray, area: int) -> BoolArray:
    """Return a mask (h, w) with those of its holes filled that have fewer pixels than `area`.

    A hole is background that the mask surrounds: what reaches the array's border is none, however small.
    """
    import cv2

    around = np.pad(~mask, 1, constant_values=True)  # all that reaches the border is one with what is beyond
    count, labels = cv2.connectedComponents(around.view(np.uint8), connectivity=4)
    if count <= 2:
        return mask
    small: BoolArray = np.bincount(labels.ravel()) < area
    small[0] = small[labels[0, 0]] = False
    return mask | small[labels[1:-1, 1:-1]] if small.any() else mask


def without_islands(mask: BoolArray, area: int) -> BoolArray:
    """Return a mask (h, w) without those of its parts that have fewer pixels than `area`, but for the largest part.

    Of equally large ones the one that begins first stays, row by row.
    """
    import cv2

    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    sizes = np.bincount(labels.ravel())
    stays: BoolArray = sizes >= area
    stays[1 + _first(np.asarray(labels), sizes[1:])] = True
    if stays[1:].all():
        return mask
    stays[0] = False
    kept: BoolArray = stays[labels]
    return kept


def _first(labels: npt.NDArray[Any], sizes: npt.NDArray[Any]) -> int:
    """Return which of the largest parts begins first. How OpenCV numbers parts is its own affair."""
    largest = np.flatnonzero(sizes == sizes.max())
    if len(largest) == 1:
        return int(largest[0])
    begins = [int((labels == part + 1).argmax()) for part in largest]
    return int(largest[int(np.argmin(begins))])
