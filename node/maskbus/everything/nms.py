"""Of masks whose boxes overlap, the best one stays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def keep(boxes: npt.NDArray[np.int64], scores: npt.NDArray[np.float64], threshold: float) -> list[int]:
    """Return the boxes that stay, the best first; of equal scores the earlier one comes first.

    Greedy non-maximum suppression with the arithmetic of torchvision (single precision; a box is as wide as its last
    pixel is from its first), so that the same masks stay at the very threshold.

    Args:
        boxes: (N, 4) x, y, width, height in pixels.
        scores: (N,) higher is better.
        threshold: A box whose IoU with a better one that stays is above this goes.
    """
    order = np.argsort(-scores, kind="stable")
    x0, y0 = (boxes[order, i].astype(np.float32) for i in (0, 1))
    x1, y1 = x0 + boxes[order, 2].astype(np.float32) - 1, y0 + boxes[order, 3].astype(np.float32) - 1
    areas = (x1 - x0) * (y1 - y0)
    left = np.ones(len(order), np.bool_)
    kept: list[int] = []
    for i in range(len(order)):
        if not left[i]:
            continue
        kept.append(int(order[i]))
        later = slice(i + 1, None)
        across = np.minimum(x1[i], x1[later]) - np.maximum(x0[i], x0[later])
        down = np.minimum(y1[i], y1[later]) - np.maximum(y0[i], y0[later])
        both = np.maximum(across, 0) * np.maximum(down, 0)
        either = areas[i] + areas[later] - both
        iou = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
        # By this measure a box of one row or column has no area. Only of the same ones, one is enough.
        same = (x0[later] == x0[i]) & (y0[later] == y0[i]) & (x1[later] == x1[i]) & (y1[later] == y1[i])
        left[later] &= ~((iou.astype(np.float64) > threshold) | (same & (either <= 0)))
    return kept
