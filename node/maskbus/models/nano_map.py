"""Prompts as the small network takes them: five maps of half its picture's side."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

CHANNELS = 5
"""Clicks on the object, clicks on the background, inside of the box, outside of the box, the earlier mask (-1…1)."""
RADIUS = 2.0
"""Of a click's disk, in places."""
CERTAIN = 0.98
"""What a mask that was given is taken to say of its pixels."""


class PromptMap:
    """What was said of one object so far.

    Coordinates are places of the map: (0, 0) is the middle of the first one. They may lie outside.
    """

    def __init__(self, side: int) -> None:
        self.values: FloatArray = np.zeros((CHANNELS, side, side), np.float32)
        """(5, side, side)."""

    def click(self, x: float, y: float, *, on_object: bool) -> None:
        """Add a click. Where disks overlap, the later one holds."""
        places = np.arange(self.values.shape[1], dtype=np.float32)
        disk = (places[None, :] - x) ** 2 + (places[:, None] - y) ** 2 <= RADIUS**2 + 0.25
        self.values[0 if on_object else 1][disk] = 1
        self.values[1 if on_object else 0][disk] = 0

    def box(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Set the box; a place is inside where its middle is."""
        places = np.arange(self.values.shape[1], dtype=np.float32)
        inside = ((places >= x0) & (places <= x1))[None, :] & ((places >= y0) & (places <= y1))[:, None]
        self.values[2], self.values[3] = inside, ~inside

    def earlier(self, probability: FloatArray | None) -> None:
        """Set the earlier mask, (side, side) 0…1, or none."""
        self.values[4] = 0 if probability is None else 2 * probability - 1
