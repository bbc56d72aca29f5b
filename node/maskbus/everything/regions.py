"""Small holes in masks, and small islands beside them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from maskbus.everything.hits import BoolArray, trimmed


def cleaned(
    patch: BoolArray, bbox: tuple[int, int, int, int], height: int, width: int, area: int
) -> tuple[BoolArray, tuple[int, int, int, int], bool]:
    """Fill a mask's holes, then remove its islands, of fewer pixels than `area`; pixels touch at corners too.

    Background that the mask cuts off from the rest at the image's border is a hole as well. Where all of a mask's parts
    are small, the largest one stays.

    Args:
        patch: (h, w) the mask inside `bbox`.
        bbox: x, y, w, h in pixels of the image.
        height: Of the image.
        width: Of the image.
        area: In pixels.

    Returns:
        The mask's new patch and box, and whether anything was changed.
    """
    import cv2

    x, y, w, h = bbox
    # So much of what is around the mask that background is as large there as it is in the whole image, or large enough.
    above, before = math.ceil(area / w), math.ceil(area / h)
    left, top = max(0, x - before), max(0, y - above)
    right, bottom = min(width, x + w + before), min(height, y + h + above)
    mask = np.zeros((bottom - top, right - left), np.bool_)
    mask[y - top : y - top + h, x - left : x - left + w] = patch

    holes, sizes = _parts(~mask, cv2)
    filled = _labels(sizes < area)
    changed = len(filled) > 0
    if changed:
        mask |= np.isin(holes, filled)
    islands, sizes = _parts(mask, cv2)
    small = _labels(sizes < area)
    if len(small) > 0:
        changed = True
        stays = _labels(sizes >= area) if len(small) < len(sizes) else np.array([int(sizes.argmax()) + 1])
        mask = np.isin(islands, stays)
    if not changed:
        return patch, bbox, False
    dx, dy, patch = trimmed(mask)
    return patch, (left + dx, top + dy, patch.shape[1], patch.shape[0]), True


def _parts(mask: BoolArray, cv2: object) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the number of the part that each pixel belongs to, from 1 on, and the pixels of each part."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)  # type: ignore[attr-defined]
    return labels, stats[1:, -1]


def _labels(chosen: BoolArray) -> npt.NDArray[np.intp]:
    return np.flatnonzero(chosen) + 1
