"""How many points everything mode looks at."""

from __future__ import annotations

from typing import Final

POINTS_PER_SIDE: Final[dict[str, int]] = {"default": 32, "dense": 64, "fast": 16}
"""Preset → points along each side of the grid. No preset has layers of crops."""


def count(points_per_side: int, crop_n_layers: int = 0, crop_n_points_downscale_factor: int = 1) -> int:
    """Return the points of the image and of all its crops together."""
    total = 0
    for layer in range(crop_n_layers + 1):
        side = max(1, points_per_side // crop_n_points_downscale_factor**layer)
        total += 4**layer * side**2
    return total
