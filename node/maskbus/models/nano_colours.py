"""What the colours of a picture say of the small network's answer."""

from __future__ import annotations

import cv2
import numpy as np

from maskbus.models.colour_cut import by_histograms
from maskbus.models.colours import Pixels
from maskbus.models.nano_map import CERTAIN
from maskbus.models.nano_view import FloatArray, UInt8Array

_SHARE = 0.6
"""How much the cut weighs beside the answer."""


def with_colours(square: UInt8Array, probability: FloatArray) -> FloatArray:
    """Return the probability, (side, side), that an answer and a cut by colours see together, fit for an earlier mask.

    Which pixels are of one colour, a cut by colours tells better than so few weights do.

    Args:
        square: (side, side, 3) RGB.
        probability: (side, side) of the answer, 0…1.
    """
    bgr = np.asarray(cv2.cvtColor(square, cv2.COLOR_RGB2BGR), np.uint8)
    cut = by_histograms(Pixels.of(bgr), probability, np.zeros(probability.shape, np.int8), rounds=1)
    soft = cv2.GaussianBlur(cut.astype(np.float32), (0, 0), 1.0)
    return np.asarray(np.clip(_SHARE * soft + (1 - _SHARE) * probability, 1 - CERTAIN, CERTAIN), np.float32)
