"""What a text refers to, and what it was compared with, as pictures."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from maskbus.cli.everything_overlay import painted
from maskbus.cli.text_ranking import Ranking
from maskbus_client.masks import Mask
from maskbus_wire import geometry, label_map

_ALPHA = 0.6
_SIDE_PER_LETTER = 28
"""One pixel of a number's height for so many of the picture's shorter side."""
_LEAST_LETTER = 11


def referred(rgb: NDArray[np.uint8], masks: Iterable[Mask]) -> NDArray[np.uint8]:
    """Return the picture, RGB uint8 (H, W, 3), where one of the masks is, and black elsewhere."""
    inside = np.zeros(rgb.shape[:2], np.bool_)
    for mask in masks:
        inside |= mask.to_array()
    return np.where(inside[:, :, None], rgb, np.uint8(0))


def proposals(rgb: NDArray[np.uint8], ranking: Ranking, *, best: int) -> NDArray[np.uint8]:
    """Return the picture, RGB uint8 (H, W, 3), with all proposals painted over it.

    The `best` first ones bear the numbers that the table has; those that were chosen bear them on white.
    """
    from PIL import Image, ImageDraw, ImageFont

    masks = [one.mask for one in ranking.proposals]
    image = Image.fromarray(painted(rgb, masks, alpha=_ALPHA))
    seen = label_map.encode_windows([geometry.window(mask.to_array()) for mask in masks], *rgb.shape[:2])
    draw = ImageDraw.Draw(image)
    size = max(_LEAST_LETTER, round(min(image.size) / _SIDE_PER_LETTER))
    font = ImageFont.load_default(size)
    # The best last: where numbers lie on one another, it is read.
    for number, one in reversed(list(enumerate(ranking.proposals[:best], 1))):
        if not one.mask.area:
            continue
        visible = seen == number
        middle = _middle(visible if visible.any() else one.mask.to_array())
        ink, paper = ((0, 0, 0), (255, 255, 255)) if one.chosen else ((255, 255, 255), (0, 0, 0))
        left, top, right, bottom = draw.textbbox(middle, str(number), font=font, anchor="mm")
        pad = size / 5
        draw.rounded_rectangle((left - pad, top - pad, right + pad, bottom + pad), radius=pad, fill=paper)
        draw.text(middle, str(number), fill=ink, font=font, anchor="mm")
    return np.asarray(image)


def _middle(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Return x, y of the pixel of a mask, bool (H, W), that is farthest from its outline."""
    import cv2

    (x, y, width, height), cut = geometry.window(mask)
    padded = np.zeros((height + 2, width + 2), np.uint8)
    padded[1:-1, 1:-1] = cut
    *_, (column, row) = cv2.minMaxLoc(cv2.distanceTransform(padded, cv2.DIST_L2, 3))
    return x + column - 0.5, y + row - 0.5
