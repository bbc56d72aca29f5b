"""Prompts as a user gives them: clicks well inside, boxes drawn by hand, corrections where the error is largest."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from maskbus.models.nano_map import CERTAIN, PromptMap

FloatArray = npt.NDArray[np.float32]


class Said(PromptMap):
    """What was said of one object, and where clicks would no longer be new."""

    def __init__(self, side: int) -> None:
        super().__init__(side)
        self.clicked = np.zeros((side, side), np.bool_)

    def click(self, x: float, y: float, *, on_object: bool) -> None:
        """Add a click."""
        super().click(x, y, on_object=on_object)
        places = np.arange(self.clicked.shape[0])
        self.clicked |= (places[None, :] - x) ** 2 + (places[:, None] - y) ** 2 <= 9


_SIMPLE = 0.85
"""How many of the first prompts are one click or a box."""


def first(mask: FloatArray, boxes: float, draw: np.random.Generator) -> Said:
    """Return what a user says at first: mostly one click, else a box, several clicks, or a mask to refine.

    Args:
        mask: (h, w) 0…1.
        boxes: How many of these prompts are boxes, at most 0.85.
        draw: Random numbers.
    """
    said = Said(mask.shape[0])
    luck = draw.random()
    if luck < _SIMPLE - boxes:
        said.click(*inner(mask > 0.5, draw), on_object=True)
    elif luck < _SIMPLE:
        said.box(*_box(mask > 0.5, draw))
        if draw.random() < 0.15:
            said.click(*inner(mask > 0.5, draw), on_object=True)
    elif luck < 0.95:
        for _ in range(int(draw.integers(1, 4))):
            said.click(*inner(mask > 0.5, draw), on_object=True)
        for _ in range(int(draw.integers(0, 3))):
            outside = _beside(mask > 0.5, draw)
            if outside is not None:
                said.click(*outside, on_object=False)
    else:
        said.earlier(spoiled(mask, draw))
        if draw.random() < 0.5:
            said.click(*inner(mask > 0.5, draw), on_object=True)
    return said


def correct(said: Said, mask: FloatArray, probability: FloatArray, draw: np.random.Generator) -> bool:
    """Add the click that a user would give next: inside of the largest error. Return whether there was one.

    Args:
        said: What was said so far.
        mask: (h, w) the truth, 0…1.
        probability: (h, w) the answer.
        draw: Random numbers.
    """
    answer, truth = probability > 0.5, mask > 0.5
    missed, extra = truth & ~answer & ~said.clicked, answer & ~truth & ~said.clicked
    depth = [
        cv2.distanceTransform(np.pad(error.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
        for error in (missed, extra)
    ]
    best = [float(one.max()) for one in depth]
    if max(best) < 1:
        return False
    which = int(best[1] > best[0])
    places = np.argwhere(depth[which] >= best[which] * draw.uniform(0.5, 1.0))
    y, x = places[int(draw.integers(len(places)))]
    said.click(float(x), float(y), on_object=which == 0)
    return True


def inner(mask: npt.NDArray[np.bool_], draw: np.random.Generator) -> tuple[float, float]:
    """Return x and y of a place inside, rather deep than near the edge."""
    depth = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    most = float(depth.max())
    if most <= 0:
        return mask.shape[1] / 2, mask.shape[0] / 2
    least = most * draw.choice([0.95, 0.6, 0.3, 0.0], p=[0.35, 0.3, 0.2, 0.15])
    places = np.argwhere((depth >= least) & (depth > 0))
    y, x = places[int(draw.integers(len(places)))]
    return float(x), float(y)


def _beside(mask: npt.NDArray[np.bool_], draw: np.random.Generator) -> tuple[float, float] | None:
    reach = cv2.dilate(mask.astype(np.uint8), np.ones((21, 21), np.uint8)) > 0
    near = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    places = np.argwhere((reach if draw.random() < 0.7 else True) & ~near)
    if not len(places):
        return None
    y, x = places[int(draw.integers(len(places)))]
    return float(x), float(y)


def _box(mask: npt.NDArray[np.bool_], draw: np.random.Generator) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0.0, 0.0, float(mask.shape[1]), float(mask.shape[0])
    sides = np.array([columns[0], rows[0], columns[-1], rows[-1]], np.float64)
    extent = np.array([sides[2] - sides[0], sides[3] - sides[1]] * 2) + 1
    loose = 0.0 if draw.random() < 0.3 else draw.uniform(0.01, 0.08)
    out = np.abs(draw.normal(0, 1, 4)) if draw.random() < 0.5 else draw.normal(0, 0.7, 4)
    x0, y0, x1, y1 = sides + np.array([-1, -1, 1, 1]) * out * loose * extent
    return float(x0 - 0.4), float(y0 - 0.4), float(x1 + 0.4), float(y1 + 0.4)


def spoiled(mask: FloatArray, draw: np.random.Generator) -> FloatArray:
    """Return the mask with faults: swollen or shrunk, a piece lost, a piece too many."""
    spoilt = (mask > 0.5).astype(np.uint8)
    kernel = np.ones((int(draw.integers(1, 8)),) * 2, np.uint8)
    changed = cv2.dilate(spoilt, kernel) if draw.random() < 0.5 else cv2.erode(spoilt, kernel)
    spoilt = np.asarray(changed, np.uint8)
    side = mask.shape[0]
    for value in (0, 1):
        for _ in range(int(draw.integers(0, 3))):
            middle = tuple(int(v) for v in draw.integers(0, side, 2))
            axes = tuple(int(v) for v in draw.integers(2, max(side // 6, 3), 2))
            cv2.ellipse(spoilt, middle, axes, float(draw.uniform(0, 180)), 0, 360, value, -1)
    soft = cv2.GaussianBlur(spoilt.astype(np.float32), (0, 0), 0.8)
    return np.asarray((1 - CERTAIN) + (2 * CERTAIN - 1) * soft, np.float32)
