"""What a cut by colours adds to an answer of the small network."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2")

from maskbus.models.nano_colours import with_colours
from maskbus.models.nano_map import CERTAIN


def test_an_answer_that_is_too_small_grows_to_all_of_its_colour() -> None:
    draw = np.random.default_rng(20261122)
    truth = np.zeros((128, 128), np.bool_)
    truth[30:100, 40:110] = True
    square = np.where(truth[..., None], (40, 60, 200), (90, 170, 60)) + draw.integers(-15, 16, (128, 128, 3))
    found = np.full((128, 128), 0.2, np.float32)
    found[35:85, 45:95] = 0.9
    together = with_colours(square.astype(np.uint8), found)
    assert together.dtype == np.float32
    assert np.float32(1 - CERTAIN) <= together.min() <= together.max() <= np.float32(CERTAIN)
    wrong = np.count_nonzero((together > 0.5) != truth)
    assert wrong < 0.02 * truth.size < np.count_nonzero((found > 0.5) != truth)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_nothing_and_everything_are_answers_too(value: float) -> None:
    square = np.random.default_rng(3).integers(0, 256, (32, 32, 3), np.uint8)
    together = with_colours(square, np.full((32, 32), value, np.float32))
    assert np.isfinite(together).all()
