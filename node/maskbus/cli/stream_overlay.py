"""The masks of one frame painted over it: an object keeps its colour from frame to frame."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from maskbus_client.results import Result
from maskbus_wire import geometry, overlay

_COLOURS = 256


def painted(bgr: NDArray[np.uint8], result: Result, *, alpha: float = 0.7) -> NDArray[np.uint8]:
    """Return the frame with its masks, BGR uint8 (H, W, 3).

    Args:
        bgr: The frame, uint8 (H, W, 3).
        result: Its masks.
        alpha: The share of the colour, 0…1.
    """
    masks = [mask for mask in result if mask.area]
    # Objects are counted from 1 as a rule, and the first colour is the one that stands out best.
    numbers = [i if mask.object_id is None else mask.object_id - 1 for i, mask in enumerate(masks)]
    windows = [geometry.window(mask.to_array()) for mask in masks]
    return overlay.paint_windows(bgr, windows, alpha=alpha, colours=_palette()[np.array(numbers, np.intp) % _COLOURS])


@cache
def _palette() -> NDArray[np.uint8]:
    return np.ascontiguousarray(overlay.palette(_COLOURS)[:, ::-1])
