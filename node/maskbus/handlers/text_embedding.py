"""What is kept of a picture whose masks have been looked at."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence

import numpy as np
import numpy.typing as npt

from maskbus.everything.hits import Kept
from maskbus.interfaces import FoundObject

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]

_MOST_LOOKS = 4


class TextEmbedding:
    """A copy of the pixels, the masks as runs, and the masks' vectors for the last few looks."""

    def __init__(self, rgb: UInt8Array, objects: Sequence[FoundObject]) -> None:
        """Begin without vectors.

        Args:
            rgb: uint8 (H, W, 3); a copy is kept.
            objects: The proposals.
        """
        self.rgb = rgb.copy()
        self.proposals = [Kept.of(one) for one in objects]
        self.stability = np.array([one.stability_score for one in objects], np.float32)
        self.areas = np.array([one.area for one in objects], np.float32)
        self._vectors: OrderedDict[Hashable, FloatArray] = OrderedDict()
        self._dimensions = 0

    def __len__(self) -> int:
        return len(self.proposals)

    @property
    def nbytes(self) -> int:
        """Bytes of all of it, with room for as many looks as are ever kept: it does not grow in the cache."""
        runs = sum(one.runs.nbytes for one in self.proposals)
        return int(self.rgb.nbytes) + runs + 4 * _MOST_LOOKS * self._dimensions * len(self)

    def vectors(self, look: Hashable, see: Callable[[], FloatArray]) -> FloatArray:
        """Return the masks' vectors (M, D) for a way to look at them; `see` makes them where they are not there."""
        found = self._vectors.pop(look, None)
        if found is None:
            found = see()
            self._dimensions = found.shape[1]
        self._vectors[look] = found
        while len(self._vectors) > _MOST_LOOKS:
            self._vectors.popitem(last=False)
        return found

    def draw(self, which: Sequence[int], out: npt.NDArray[np.bool_]) -> None:
        """Add some of the masks to `out`, bool (H, W)."""
        for one in which:
            x, y, width, height = self.proposals[one].bbox
            out[y : y + height, x : x + width] |= self.proposals[one].patch()
