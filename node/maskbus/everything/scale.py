"""How a model's own logits lie on the image: what can be known of a mask before it is scaled up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import Embedding, GridDecoder

FloatArray = npt.NDArray[np.float32]

_STRAIGHT = 0.01
"""By how many pixels of the logits a scaled ramp may be off, for rounding."""
_REACH = 2
"""How many pixels of the logits away a pixel of the image may look, beyond the two it lies between."""
_MARGIN = 0.75
"""Pixels of the logits, for each step along an outline, by which an area may be other than it seems.

Between four pixels of which one is inside, all but a quarter may turn out to be; each such place has two of the
outline's steps, which it shares with its neighbours. Measured, over shapes of all kinds and steepness: 0.42 at most.
"""


@dataclass
class Scale:
    """Where each row and column of the image lies on the logits; known only where scaling is plain interpolation."""

    rows: FloatArray
    """(H,) ascending, in rows of the logits."""
    columns: FloatArray
    """(W,) ascending, in columns of the logits."""
    row_shares: FloatArray
    """(h,) how many rows of the image are nearest to each row of the logits."""
    column_shares: FloatArray
    """(w,) as `row_shares`."""
    shown: tuple[slice, slice]
    """The rows and columns of the logits that have such shares."""

    @classmethod
    def measured(cls, handler: GridDecoder, embedding: Embedding, height: int, width: int) -> Scale | None:
        """Have two ramps of (height, width) scaled up and see where their steps come to lie.

        Some models pad an image, so that their logits show more than it. None where scaling is not what stretches or
        cuts along both axes alike: then nothing can be known beforehand.
        """
        column = np.arange(height, dtype=np.float32)
        row = np.arange(width, dtype=np.float32)
        rows = handler.upscale(embedding, np.ascontiguousarray(np.broadcast_to(column[:, None], (height, width))))
        columns = handler.upscale(embedding, np.ascontiguousarray(np.broadcast_to(row, (height, width))))
        down, across = rows[:, 0].copy(), columns[0].copy()
        if not (_is_ramp(rows - down[:, None], down, height) and _is_ramp(columns - across, across, width)):
            return None
        row_shares, column_shares = _shares(down, height), _shares(across, width)
        shown = _first_to_last(row_shares), _first_to_last(column_shares)
        return cls(down, across, row_shares[shown[0]], column_shares[shown[1]], shown)

    def window(self, logits: FloatArray, offset: float) -> tuple[slice, slice]:
        """Return the rows and columns of the image outside of which nothing is above -`offset`."""
        above: npt.NDArray[np.bool_] = logits > -offset
        return _reached(self.rows, np.any(above, axis=1)), _reached(self.columns, np.any(above, axis=0))

    def best_stability(self, logits: FloatArray, offset: float) -> float:
        """Return a stability score that the mask cannot exceed once it is scaled up, 1 where nothing can be said.

        Scaling moves a mask's outline by less than a pixel of the logits, so the area inside of it is known up to a
        share of the outline's length.
        """
        if len(self.rows) < len(self.row_shares) or len(self.columns) < len(self.column_shares):
            return 1.0  # scaled down, thin things vanish or not as it happens
        pixels = len(self.rows) * len(self.columns) / (len(self.row_shares) * len(self.column_shares))
        logits = logits[self.shown]
        inner, inner_outline = self._area(logits > offset)
        outer, outer_outline = self._area(logits > -offset)
        least = outer - _MARGIN * pixels * outer_outline
        return 1.0 if least <= 0 else (inner + _MARGIN * pixels * inner_outline) / least

    def _area(self, mask: npt.NDArray[np.bool_]) -> tuple[float, int]:
        """Return how many pixels of the image a mask of the logits has, about, and the steps along its outline."""
        area = float(self.row_shares @ (mask.astype(np.float32) @ self.column_shares))
        return area, np.count_nonzero(mask[1:] != mask[:-1]) + np.count_nonzero(mask[:, 1:] != mask[:, :-1])


def _is_ramp(rest: FloatArray, line: FloatArray, size: int) -> bool:
    return bool(
        np.abs(rest).max() < _STRAIGHT
        and np.diff(line).min(initial=0) > -_STRAIGHT
        and line[0] > -_STRAIGHT
        and line[-1] < size - 1 + _STRAIGHT
    )


def _shares(line: FloatArray, size: int) -> FloatArray:
    return np.bincount(np.rint(line).astype(np.intp), minlength=size).astype(np.float32)


def _first_to_last(shares: FloatArray) -> slice:
    found = np.flatnonzero(shares)
    return slice(int(found[0]), int(found[-1]) + 1)


def _reached(line: FloatArray, there: npt.NDArray[np.bool_]) -> slice:
    found = np.flatnonzero(there)
    if not len(found):
        return slice(0, 0)
    first, last = np.searchsorted(line, [found[0] - _REACH, found[-1] + _REACH])
    return slice(int(first), int(last))
