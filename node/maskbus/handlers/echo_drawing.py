"""A prompt as a mask."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import Prompt

_DOT = 3


def draw(mask: npt.NDArray[np.bool_], prompt: Prompt) -> None:
    """Draw one object's prompt into a mask, bool (H, W): boxes filled, points as squares of 3 × 3 pixels."""
    height, width = mask.shape
    if prompt.mask is not None:
        mask |= prompt.mask
    if prompt.logits is not None:
        rows = np.arange(height) * prompt.logits.shape[0] // height
        columns = np.arange(width) * prompt.logits.shape[1] // width
        mask |= prompt.logits[rows[:, None], columns[None]] > 0
    for x0, y0, x1, y1 in prompt.boxes:
        mask[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
    reach = _DOT // 2
    for wanted in (1, 0):
        for x, y in prompt.points[prompt.labels == wanted]:
            row, column = min(int(y + 0.5), height - 1), min(int(x + 0.5), width - 1)
            mask[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1] = wanted == 1
