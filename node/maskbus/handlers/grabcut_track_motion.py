"""Tell an object from its background by how they move."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from maskbus.handlers.grabcut_track_view import Bool, Part
from maskbus.models.colours import F32

Homography = npt.NDArray[np.float64]
"""(3, 3), from pixels of a frame to those of the one before."""

STEP = 8
"""Distance of the pixels that the background's motion is estimated from, pixels of the working copy."""
LEAST = 20
"""Fewer of them tell nothing."""
BINS = 24
"""Bins of the histograms of motion, along x and y each, of half a square root of a pixel."""
CLIP = 3.0
"""The most log odds that motion gives."""


def background(moved: F32, held: Bool) -> Homography | None:
    """Return the (3, 3) homography from this frame to the one before of what is not in `held`, (h, w).

    RANSAC on the flow `moved`, (h, w, 2). None where there is too little to tell.
    """
    height, width = held.shape
    rows, columns = (grid.ravel() for grid in np.mgrid[STEP // 2 : height : STEP, STEP // 2 : width : STEP])
    near = np.asarray(cv2.dilate(held.astype(np.uint8), np.ones((STEP + 1, STEP + 1), np.uint8)), np.uint8)
    free = near[rows, columns] == 0
    rows, columns = rows[free], columns[free]
    if len(rows) < LEAST:
        return None
    here = np.stack([columns, rows], axis=1).astype(np.float32)
    found, _ = cv2.findHomography(here, here + moved[rows, columns], cv2.RANSAC, 1.0, maxIters=200)
    return None if found is None else np.asarray(found, np.float64)


def stay(point: npt.NDArray[np.float64], still: Homography | None, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return where a `point` of the frame before, x, y, is now if it stays with the background; in the frame (h, w)."""
    if still is not None and abs(np.linalg.det(still)) > 1e-6:
        ahead = np.linalg.inv(still) @ (*point, 1.0)
        point = ahead[:2] / ahead[2] if ahead[2] > 1e-6 else point
    return np.clip(point, 0, np.array(shape[::-1]) - 1)


def odds(moved: F32, still: Homography, held: Bool, part: Part) -> F32:
    """Return the log odds, over `part`, that a pixel is the object's, from its motion against the background.

    Histograms of the motion inside and outside `held`, (h, w), the mask carried along: where both move alike, the odds
    are 0, and where a part of the mask stays with the background, it is the background's.
    """
    rows, columns = np.mgrid[part]
    here = np.stack([columns, rows], axis=-1).astype(np.float32)
    there = cv2.perspectiveTransform(here.reshape(1, -1, 2), still).reshape(here.shape)
    own = moved[part] - (there - here)
    # Square roots: what hardly moves is to be told from what does not, a fast motion is blurred.
    bins = np.rint(2 * np.sign(own) * np.sqrt(np.abs(own))) + BINS // 2
    index = np.clip(bins, 0, BINS - 1).astype(np.intp)
    flat = index[..., 1] * BINS + index[..., 0]
    inside = held[part]
    likely, unlikely = _histogram(flat, inside), _histogram(flat, ~inside)
    table = np.log((likely + 1e-3) / (unlikely + 1e-3))
    return np.asarray(np.clip(table, -CLIP, CLIP)[flat], np.float32)


def _histogram(bins: npt.NDArray[np.intp], held: Bool) -> F32:
    counts = np.bincount(bins[held], minlength=BINS * BINS).astype(np.float32).reshape(BINS, BINS)
    smooth = np.asarray(cv2.GaussianBlur(counts, (5, 5), 1.0, borderType=cv2.BORDER_CONSTANT), np.float32)
    return smooth.ravel() / max(float(smooth.sum()), 1.0)
