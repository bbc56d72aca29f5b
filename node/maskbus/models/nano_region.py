"""Where the small network looks again, closer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import Prompt
from maskbus.models.nano_view import FloatArray, View, span

_ROOM = 1.5
"""Sides of a closer view, as a multiple of the object's."""
_LEAST = 48
"""Pixels of a closer view's sides, at least."""
_WORTH = 0.55
"""A closer view of a larger part of the photo shows nothing new."""
_STEPS = 12
"""Sides of closer views are rounded to this part of themselves, so that the next click finds the view already known."""


def region(mask: npt.NDArray[np.bool_], whole: View, prompt: Prompt) -> FloatArray:
    """Return x0, y0, x1, y1, edges in pixels of the photo, of all that is or should be the object."""
    corners = [prompt.points[prompt.labels == 1].reshape(-1, 2)]
    if len(prompt.boxes):
        corners.append(prompt.boxes.reshape(-1, 2))
    elif mask.any():
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        scale = np.array([whole.width / mask.shape[1], whole.height / mask.shape[0]], np.float32)
        edges = np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]], np.float32) * scale
        corners.append(edges - 0.5)
    every = np.concatenate(corners)
    if not len(every):
        return np.array([0, 0, whole.width, whole.height], np.float32)
    return np.asarray(np.concatenate([every.min(0), every.max(0) + 1]), np.float32)


def closer(whole: View, region: FloatArray) -> View:
    """Return a view with room around a region, or the whole photo where that shows hardly more."""
    sides = []
    for low, high, most in ((region[0], region[2], whole.width), (region[1], region[3], whole.height)):
        extent = max(float(high - low) * _ROOM, _LEAST, 0.1 * most)
        sides.append(span(float(low + high) / 2, extent, most, max(2 ** round(np.log2(extent / _STEPS)), 1)))
    (x, width), (y, height) = sides
    return whole if width * height > _WORTH * whole.width * whole.height else View(x, y, width, height)
