"""What was said of an object adds up, or begins anew."""

from __future__ import annotations

import numpy as np

from maskbus.handlers.grabcut_track_said import Said
from maskbus.interfaces import Prompt


def point(x: float, label: int) -> Prompt:
    return Prompt(points=np.array([[x, 1]], np.float32), labels=np.array([label], np.int8))


BOX = Prompt(boxes=np.array([[1, 1, 9, 9]], np.float32))
MASK = np.ones((4, 5), np.bool_)


def test_points_add_up_and_correct_the_mask() -> None:
    wanted = Said().plus(point(1, 1)).plus(point(2, 0)).beside(MASK)
    assert wanted.points[:, 0].tolist() == [1, 2]
    assert wanted.labels.tolist() == [1, 0]
    assert wanted.mask is MASK


def test_nothing_to_correct() -> None:
    assert Said().plus(point(1, 1)).beside(None).mask is None
    assert Said().plus(point(1, 1)).beside(~MASK).mask is None


def test_a_box_begins_anew_and_points_come_after_it() -> None:
    wanted = Said().plus(point(1, 1)).plus(BOX).plus(point(2, 0)).beside(MASK)
    assert wanted.points[:, 0].tolist() == [2]
    assert len(wanted.boxes) == 1
    assert wanted.mask is None


def test_a_mask_leaves_nothing() -> None:
    assert Said().plus(BOX).plus(Prompt(mask=MASK)).points.is_empty
