"""Scale masks up, each within its box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskbus_wire import geometry
from maskbus_wire.geometry import Window

FloatArray = npt.NDArray[np.float32]

_AT_A_TIME = 1 << 16
"""Pixels: what fits a processor's cache."""


@dataclass(frozen=True)
class Axis:
    """Rows or columns: how many there are, and how many there shall be, which is no fewer."""

    few: int
    many: int

    def between(self, start: int, size: int) -> tuple[int, npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
        """Return where those of `many` lie that the `size` ones of `few` from `start` on have a say in.

        Returns:
            The number of the first; and of each, counted from `start` - 1, which two it lies between, and how near to
            the second. Beyond the first and the last there is nothing but these themselves.
        """
        # All that is nearer than one pixel to a centre among them, at the border all there is.
        scale = self.many / self.few
        first = 0 if start == 0 else int(np.floor((start - 0.5) * scale - 0.5))
        last = self.many if start + size == self.few else int(np.ceil((start + size + 0.5) * scale - 0.5))
        chosen = np.arange(max(first, 0), min(last + 1, self.many))
        at = np.clip((chosen + 0.5) / scale - 0.5, 0, self.few - 1)
        before = np.clip(np.floor(at), start - 1, start + size)
        share = np.clip(at - before, 0, 1).astype(np.float32)
        offsets = before.astype(np.intp) - (start - 1)
        return int(chosen[0]), offsets, np.minimum(offsets + 1, size + 1), share


def upscaled(window: Window, rows: Axis, columns: Axis) -> Window:
    """Return a mask scaled up: between the centres of pixels it is interpolated, and taken where it is half or more.

    That is linear interpolation along both axes, as OpenCV's `INTER_LINEAR` has it. Straight edges come to lie where
    they belong. A mask that has a pixel keeps one: where nothing is half, the pixels that are most.

    Args:
        window: A mask of `rows.few` × `columns.few` pixels, cut to its box.
        rows: How its rows become more.
        columns: How its columns do.
    """
    (x, y, w, h), mask = window
    if not w:
        return window
    padded = np.pad(mask, 1).astype(np.float32)
    left, before, after, share = columns.between(x, w)
    # Whole rows are quicker to gather than columns.
    turned = np.ascontiguousarray(padded.T)
    wide = np.ascontiguousarray(_mixed(turned, before, after, share).T)
    top, before, after, share = rows.between(y, h)
    large = np.empty((len(share), wide.shape[1]), np.bool_)
    most = 0.0
    step = max(1, _AT_A_TIME // wide.shape[1])
    for i in range(0, len(share), step):
        part = slice(i, i + step)
        values = _mixed(wide, before[part], after[part], share[part])
        np.greater_equal(values, 0.5, out=large[part])
        most = max(most, float(values.max()))
    if most < 0.5:
        large = _mixed(wide, before, after, share) >= most
    (dx, dy, w, h), inside = geometry.window(large)
    return (left + dx, top + dy, w, h), np.ascontiguousarray(inside)


def _mixed(
    rows: FloatArray, before: npt.NDArray[np.intp], after: npt.NDArray[np.intp], share: FloatArray
) -> FloatArray:
    """Return rows that lie between two others each."""
    mixed = rows[after]
    mixed -= rows[before]
    mixed *= share[:, None]
    mixed += rows[before]
    return mixed
