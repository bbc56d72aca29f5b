"""What colours tell, where."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2")

from maskbus.handlers.grabcut_track_colour import ANCHOR, bins_in, colours_of
from maskbus.handlers.grabcut_track_place import place_of
from maskbus.handlers.grabcut_track_view import look


def halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> np.ndarray:
    """Return a square of two colours on grey."""
    bgr = np.full((80, 100, 3), 128, np.uint8)
    bgr[20:60, 30:50], bgr[20:60, 50:70] = left, right
    return bgr


RED, BLUE = (40, 40, 220), (220, 60, 40)
MASK = np.zeros((80, 100), np.float32)
MASK[20:60, 30:70] = 1


def test_colours_are_remembered_where_they_were() -> None:
    view, place = look(halves(RED, BLUE)), place_of(MASK)
    part = place.part(MASK.shape)
    bins = bins_in(view, place, part)
    colours = colours_of(bins, MASK[part], 1 - MASK[part])
    assert np.allclose(colours.first.sum(axis=1), 1, atol=1e-4)
    inside = MASK[part] > 0
    odds = colours.odds(bins, float(inside.mean()))
    assert odds[inside].min() > 1
    assert odds[~inside].max() < -1
    swapped = colours.odds(bins_in(look(halves(BLUE, RED)), place, part), float(inside.mean()))
    assert swapped[inside].mean() < 0.75 * odds[inside].mean()


def test_what_is_learnt_never_takes_the_place_of_all() -> None:
    view, place = look(halves(RED, RED)), place_of(MASK)
    part = place.part(MASK.shape)
    inside = MASK[part]
    colours = colours_of(bins_in(view, place, part), inside, 1 - inside)
    other = colours_of(bins_in(look(halves(BLUE, BLUE)), place, part), inside, 1 - inside)
    for _ in range(100):
        colours = colours.plus(other, 0.2)
    odds = colours.odds(bins_in(view, place, part), float(inside.mean()))
    assert ANCHOR > 0.5
    assert odds[inside > 0].min() > 1
    assert colours.nbytes == 2 * colours.first.nbytes
