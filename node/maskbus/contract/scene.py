"""A picture with one object, and prompts that point at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import Prompt

_CENTRE = (70, 30)
_RADIUS = 18


def scene(height: int = 80, width: int = 120) -> npt.NDArray[np.uint8]:
    """Return an RGB picture, uint8 (height, width, 3): an orange disc, right of the middle, on dark blue."""
    rows, columns = np.mgrid[:height, :width]
    noise = np.random.default_rng(7).integers(0, 12, (height, width, 3))
    picture = np.array([20, 30, 70]) + noise
    disc = (columns - _CENTRE[0]) ** 2 + (rows - _CENTRE[1]) ** 2 <= _RADIUS**2
    picture[disc] += np.array([200, 110, -60])
    return picture.clip(0, 255).astype(np.uint8)


def disc(height: int = 80, width: int = 120) -> npt.NDArray[np.bool_]:
    """Return the mask of the disc in `scene`, bool (height, width)."""
    rows, columns = np.mgrid[:height, :width]
    inside: npt.NDArray[np.bool_] = (columns - _CENTRE[0]) ** 2 + (rows - _CENTRE[1]) ** 2 <= _RADIUS**2
    return inside


def examples(height: int = 80, width: int = 120) -> Mapping[str, Prompt]:
    """Return kind of prompt → one of that kind, for a scene of this size."""
    x, y = min(_CENTRE[0], width - 1), min(_CENTRE[1], height - 1)
    points = np.array([[x, y]], np.float32)
    left, top = max(0, x - 20), max(0, y - 20)
    box = np.array([[left, top, min(width, x + 20) or 1, min(height, y + 20) or 1]], np.float32)
    rows, columns = np.mgrid[:height, :width]
    mask: npt.NDArray[np.bool_] = (abs(columns - x) <= 8) & (abs(rows - y) <= 8)
    one: Sequence[int] = [1]
    return {
        "points": Prompt(points=points, labels=np.array(one, np.int8)),
        "boxes": Prompt(boxes=box),
        "mask": Prompt(mask=mask),
        "logits": Prompt(logits=np.where(mask[::2, ::2], np.float32(4), np.float32(-4))),
        "text": Prompt(texts=("an orange disc",)),
        "none": Prompt(),
    }
