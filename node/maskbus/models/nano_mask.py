"""Bring an answer of the small network to the photo's size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import Prompt
from maskbus.models.nano_answer import Answer
from maskbus.models.nano_picture import NanoPicture

BoolArray = npt.NDArray[np.bool_]

_OFFSET = 1.0
"""How far the threshold moves for the stability score, in logits."""


def mask(picture: NanoPicture, answer: Answer, prompt: Prompt) -> tuple[BoolArray, float]:
    """Return the mask (H, W) and its stability score. Every click is obeyed to the pixel."""
    whole, view = picture.whole, answer.view
    full = np.zeros((whole.height, whole.width), np.bool_)
    if answer.around is not None:
        np.greater(whole.enlarged(answer.around), 0, out=full)
    logits = view.enlarged(answer.logits)
    full[view.y : view.y + view.height, view.x : view.x + view.width] = logits > 0
    for (x, y), label in zip(prompt.points, prompt.labels, strict=True):
        row, column = min(round(float(y)), whole.height - 1), min(round(float(x)), whole.width - 1)
        full[row, column] = label == 1
    outer = int(np.count_nonzero(answer.logits > -_OFFSET))
    return full, int(np.count_nonzero(answer.logits > _OFFSET)) / outer if outer else 0.0
