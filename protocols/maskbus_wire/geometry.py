"""Where a mask lies and how large it is, and the shape checks that every mask codec shares.

A mask is a bool array (H, W): row 0 is the top row, True is the object. Boxes are (x, y, w, h) in whole pixels as COCO
writes them: x and y name the top-left pixel, w and h count pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Window = tuple[tuple[int, int, int, int], NDArray[np.bool_]]
"""A mask cut to its box: the box (x, y, w, h), and what is inside it, bool (h, w)."""


def require_mask(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Return `mask` as it is if it is a bool array (H, W); raise ValueError otherwise."""
    if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"a mask must be a bool array (H, W), not {_described(mask)}")
    return mask


def require_masks(masks: NDArray[Any]) -> NDArray[np.bool_]:
    """Return `masks` as it is if it is a bool array (N, H, W); raise ValueError otherwise."""
    if not isinstance(masks, np.ndarray) or masks.ndim != 3 or masks.dtype != np.bool_:
        raise ValueError(f"masks must be one bool array (N, H, W), not {_described(masks)}")
    return masks


def require_sides(height: int, width: int) -> None:
    """Raise ValueError unless both sides of a picture are 1 or more."""
    if height < 1 or width < 1:
        raise ValueError(f"a mask of {height} rows and {width} columns has no pixels")


def bbox(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return the smallest box (x, y, w, h) that holds every True pixel; (0, 0, 0, 0) if there is none."""
    mask = require_mask(mask)
    if mask.size == 0:
        return 0, 0, 0, 0
    rows: NDArray[np.bool_] = np.logical_or.reduce(mask, axis=1)
    top = int(rows.argmax())
    if not rows[top]:
        return 0, 0, 0, 0
    bottom = rows.size - int(rows[::-1].argmax())
    columns: NDArray[np.bool_] = np.logical_or.reduce(mask[top:bottom], axis=0)
    left = int(columns.argmax())
    right = columns.size - int(columns[::-1].argmax())
    return left, top, right - left, bottom - top


def window(mask: NDArray[np.bool_]) -> Window:
    """Return the mask's box and a view of what is inside it."""
    x, y, w, h = bbox(mask)
    return (x, y, w, h), mask[y : y + h, x : x + w]


def area(mask: NDArray[np.bool_]) -> int:
    """Return the number of True pixels."""
    return int(np.count_nonzero(require_mask(mask)))


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__
