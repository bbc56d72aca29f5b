"""Points taken in chunks, made smaller where memory is short."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from maskbus.everything.hits import Hit
from maskbus.everything.shortage import Shortage, is_shortage
from maskbus.interfaces import HandlerError

Points = npt.NDArray[np.float64]


class Decoder(Protocol):
    """What decodes the points of one crop."""

    def decode(self, points: Points) -> list[Hit]:
        """Return the masks of `points`, (N, 2) in pixels of the crop."""


class Chunks:
    """Say how many points are decoded at once, in all crops of one search."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._wanted = size

    def decode(self, decoder: Decoder, points: Points) -> tuple[list[Hit], int]:
        """Decode the first of `points`; return their masks, and how many points they were.

        Raises:
            Shortage: if there is not enough memory for a single point.
        """
        while True:
            size = min(self.size, len(points))
            try:
                return decoder.decode(points[:size]), size
            except HandlerError:
                raise
            except Exception as error:
                if not is_shortage(error):
                    raise
                if size == 1:
                    raise Shortage(error) from None
            # Only here has the exception let go of what its frames held.
            self.size = size // 2

    def note(self) -> str | None:
        """Return what must be said of it, if anything."""
        if self.size == self._wanted:
            return None
        return f"Memory was short: points were decoded {self.size} at a time instead of {self._wanted}."
