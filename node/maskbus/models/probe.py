"""Whether two ways to run a model give the same masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import Image
from maskbus.models.segmenter import Segmenter

_SIDE = 512
_GRID = 5


class _Job:
    """A job that nobody cancels."""

    def check(self) -> None:
        """Go on."""

    def remaining(self) -> float:
        """Return an hour."""
        return 3600.0

    def progress(self, done: int, total: int, found: object = ()) -> None:
        """Take no note."""


def picture() -> npt.NDArray[np.uint8]:
    """Return an RGB picture with things in it, uint8 (512, 512, 3): discs and bars of many sizes on a gradient."""
    random = np.random.default_rng(11)
    rows, columns = np.mgrid[:_SIDE, :_SIDE].astype(np.float32)
    painted = np.stack([rows / 4, columns / 4, 160 - rows / 8 - columns / 8], -1)
    for _ in range(24):
        row, column, size = *random.uniform(0, _SIDE, 2), random.uniform(12, 90)
        across, down = abs(columns - column), abs(rows - row)
        inside = across**2 + down**2 < size**2 if random.random() < 0.5 else (across < size) & (down < size / 3)
        painted[inside] = random.uniform(0, 255, 3)
    painted += random.normal(0, 4, painted.shape)
    return painted.clip(0, 255).astype(np.uint8)


def agreement(candidate: Segmenter, reference: Segmenter) -> float:
    """Return how alike two segmenters' masks of a grid of points are: the IoU of all pixels together, 0…1."""
    at = (np.arange(_GRID) + 0.5) * _SIDE / _GRID
    points = np.stack(np.meshgrid(at, at), -1).reshape(-1, 2).astype(np.float32)
    image, job = Image(picture()), _Job()
    both = []
    for segmenter in (candidate, reference):
        embedding = segmenter.embed([image], job)[0]
        both.append(
            np.concatenate([segmenter.decode_grid(embedding, part[None], -np.inf, job).logits > 0 for part in points])
        )
    union = int((both[0] | both[1]).sum())
    return int((both[0] & both[1]).sum()) / union if union else 1.0
