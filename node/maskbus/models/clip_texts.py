"""Texts as vectors, the last ones kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


class TextVectors:
    """Encode texts; of those that come again the vector is known. Least recently used goes first."""

    def __init__(self, encode: Callable[[Sequence[str]], FloatArray], most: int = 512) -> None:
        """Begin empty.

        Args:
            encode: Makes N texts vectors, float32 (N, D), of length 1.
            most: How many vectors are kept.
        """
        self._encode = encode
        self._most = most
        self._known: OrderedDict[str, FloatArray] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def of(self, texts: Sequence[str]) -> FloatArray:
        """Return the vectors of at least one text, float32 (N, D)."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._encode(new), strict=True))
        vectors = np.stack([self._known[text] for text in texts])
        for text in texts:
            self._known.move_to_end(text)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return vectors
