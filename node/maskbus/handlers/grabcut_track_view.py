"""Look at one frame of a video as the tracker does: a small copy, its colours, and how it moved."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
import numpy.typing as npt

from maskbus.models.colours import F32, I32, U8, principal_colours

Bool = npt.NDArray[np.bool_]
Part = tuple[slice, slice]
"""Rows and columns of a rectangle in the working copy."""

SIDE = 427
"""Longest side of the working copy, pixels."""
COLOURS = (12, 16, 16)
"""Bins of the colour histogram in L, a, b."""
LEAST_FLOW = 32
"""Shortest side of what the optical flow can be computed of, pixels."""


@dataclass(frozen=True)
class View:
    """Hold the working copy of one frame, (h, w) pixels."""

    bgr: U8
    """(h, w, 3)"""
    grey: U8
    """(h, w)"""
    bins: I32
    """(h, w) index into the colour histogram."""
    contrast: U8
    """(h, w, 2) along the two strongest colour directions."""

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(int(getattr(self, field.name).nbytes) for field in fields(self))


def look(bgr: U8) -> View:
    """Make the view of a frame, (H, W, 3) uint8. Keeps nothing of the array itself."""
    height, width = bgr.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA) if scale < 1 else bgr.copy(), np.uint8)
    lab = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2LAB), np.int32)
    # Few pictures use more than the middle half of a and b.
    lightness = lab[..., 0] * COLOURS[0] >> 8
    first, second = (np.clip((lab[..., n] - 64) * COLOURS[n] >> 7, 0, COLOURS[n] - 1) for n in (1, 2))
    return View(
        bgr=small,
        grey=np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8),
        bins=np.asarray((lightness * COLOURS[1] + first) * COLOURS[2] + second, np.int32),
        contrast=principal_colours(small),
    )


def flow(view: View, before: View) -> F32:
    """Return (h, w, 2) float32: from each pixel of `view`, how far in x and y it lay in `before`, pixels.

    Dense inverse search (Kroeger et al. 2016).
    """
    height, width = view.grey.shape
    more = max(0, LEAST_FLOW - height), max(0, LEAST_FLOW - width)
    now, then = (
        cv2.copyMakeBorder(one.grey, 0, more[0], 0, more[1], cv2.BORDER_REPLICATE) if any(more) else one.grey
        for one in (view, before)
    )
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    found = search.calc(now, then, np.zeros((*now.shape, 2), np.float32))
    return np.asarray(found[:height, :width], np.float32)


def shrink(mask: Bool, view: View) -> F32:
    """Return (h, w) the share of each pixel of the working copy that `mask`, (H, W), covers."""
    height, width = view.grey.shape
    small = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).reshape(height, width)


def warp(values: F32, moved: F32) -> F32:
    """Return (h, w) `values` of the frame before, carried along the flow `moved`, (h, w, 2). Outside it is 0."""
    height, width = values.shape
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    where = moved + np.dstack([columns, rows])
    found = cv2.remap(values, where[..., 0], where[..., 1], cv2.INTER_LINEAR)
    return np.asarray(found, np.float32).reshape(height, width)
