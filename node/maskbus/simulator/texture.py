"""Surfaces that are not of one colour, as no real one is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def blotches(random: np.random.Generator, height: int, width: int, cell: float) -> NDArray[np.float32]:
    """Return smooth noise, float32 (height, width) of about -1…1, whose spots are some `cell` pixels wide."""
    coarse = random.standard_normal((max(2, round(height / cell)), max(2, round(width / cell)))).astype(np.float32)
    spread: NDArray[np.float32] = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
    return np.multiply(spread, 0.5, dtype=np.float32)


def painted(
    random: np.random.Generator, height: int, width: int, colour: NDArray[np.float32], contrast: float
) -> NDArray[np.uint8]:
    """Return a surface of about this RGB colour, uint8 (height, width, 3): light and dark spots, and grain."""
    side = max(height, width)
    light = blotches(random, height, width, side / 3) + 0.5 * blotches(random, height, width, max(2.0, side / 20))
    grain = random.standard_normal((height, width, 1)).astype(np.float32) * contrast / 6
    surface = colour + contrast * light[:, :, None] + grain
    return np.ascontiguousarray(surface.clip(0, 255).astype(np.uint8))
