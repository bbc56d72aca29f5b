"""Remember which colours an object and its surroundings have, and where in the object's rectangle.

Histograms over colour and place, as in bilateral space video segmentation (Märki et al. 2016), with a share that is
never forgotten: what the object looked like when it was last pointed at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from maskbus.handlers.grabcut_track_place import Place
from maskbus.handlers.grabcut_track_view import COLOURS, Part, View
from maskbus.models.colours import F32, I32

CELLS = 4
"""Cells along the width and the height of an object's rectangle."""
ROUND = 2
"""Cells on each side of it."""
ANCHOR = 0.7
"""Share of the histograms that stays as it was when the object was pointed at."""
FORGET = 0.2
"""Share of the others that a frame takes the place of."""
LEAST = 0.02
"""Pixels that are taken for seen in every bin, of both kinds."""
CLIP = 4.0
"""The most log odds that colours give."""

SIDE = CELLS + 2 * ROUND


@dataclass(frozen=True)
class Colours:
    """Hold four histograms of unit sum: of object and surroundings, when pointed at and lately."""

    first: F32
    """(2, SIDE² * colours) surroundings, object."""
    lately: F32
    """(2, SIDE² * colours) surroundings, object."""

    @property
    def nbytes(self) -> int:
        """Bytes of all histograms."""
        return int(self.first.nbytes + self.lately.nbytes)

    def odds(self, bins: I32, share: float) -> F32:
        """Return the log odds that a pixel is the object's, where the object takes the share `share` of all pixels."""
        outside, inside = ANCHOR * self.first + (1 - ANCHOR) * self.lately
        least = LEAST / bins.size
        table = np.log((inside * share + least) / (outside * (1 - share) + least))
        return np.asarray(np.clip(table, -CLIP, CLIP)[bins], np.float32)

    def plus(self, other: Colours, rate: float) -> Colours:
        """Return these with the share `rate` of what `other` saw lately."""
        return replace(self, lately=(1 - np.float32(rate)) * self.lately + np.float32(rate) * other.lately)


def colours_of(bins: I32, inside: F32, outside: F32) -> Colours:
    """Return the histograms of pixels with the bins `bins` and the weights `inside` and `outside`, of one shape."""
    both = np.stack([_histogram(bins, outside), _histogram(bins, inside)])
    return Colours(both, both)


def bins_in(view: View, place: Place, part: Part) -> I32:
    """Return which bin each pixel of `part` falls into: by its cell in the object's rectangle, and by its colour."""
    cells = []
    for axis in (1, 0):
        along = np.arange(part[1 - axis].start, part[1 - axis].stop)
        share = (along - place.centre[axis]) / (2 * place.half[axis]) + 0.5
        cells.append(np.clip(np.floor(share * CELLS) + ROUND, 0, SIDE - 1).astype(np.int32))
    colours = int(np.prod(COLOURS))
    return np.asarray((cells[0][:, None] * SIDE + cells[1]) * colours + view.bins[part], np.int32)


def _histogram(bins: I32, weight: F32) -> F32:
    """Return a smoothed histogram of unit sum, flat."""
    size = SIDE * SIDE * int(np.prod(COLOURS))
    counts: npt.NDArray[np.float32] = np.bincount(bins.ravel(), weight.ravel(), size).astype(np.float32)
    cube = counts.reshape(SIDE, SIDE, *COLOURS)
    for axis in range(5):
        # 1-2-1, and nothing beyond the ends.
        smooth = 2 * cube
        ahead, behind = (np.moveaxis(array, axis, 0) for array in (smooth, cube))
        ahead[1:] += behind[:-1]
        ahead[:-1] += behind[1:]
        cube = smooth
    return np.asarray(cube.ravel() / max(float(cube.sum()), 1e-6), np.float32)
