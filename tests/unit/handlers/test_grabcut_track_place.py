"""Where an object is, and that its filter finds it there."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2")

from maskbus.handlers.grabcut_track_place import GRID, Place, place_of, teach


def square(x: int, y: int, side: int = 24) -> np.ndarray:
    mask = np.zeros((160, 220), np.float32)
    mask[y - side // 2 : y + side // 2, x - side // 2 : x + side // 2] = 1
    return mask


def picture(x: int, y: int) -> np.ndarray:
    bgr = np.random.default_rng(0).integers(40, 90, (160, 220, 3)).astype(np.uint8)
    bgr[square(x, y) > 0] = (30, 120, 220)
    return bgr


def test_a_place_is_the_middle_and_the_spread() -> None:
    place = place_of(square(100, 60))
    assert place.centre == pytest.approx((99.5, 59.5))
    assert place.half == pytest.approx((2.2 * 24 / 12**0.5,) * 2, rel=0.01)
    one = np.zeros((5, 5), np.float32)
    one[2, 3] = 1
    assert place_of(one).half.tolist() == [4, 4]


def test_a_part_stays_in_the_frame() -> None:
    for centre in ((0, 0), (219, 159), (110, 80)):
        rows, columns = Place(np.array(centre, float), np.array([5.0, 300.0])).part((160, 220))
        assert 0 <= rows.start < rows.stop <= 160
        assert 0 <= columns.start < columns.stop <= 220
    assert Place(np.zeros(2), np.full(2, 4.0)).part((3, 2)) == (slice(0, 3), slice(0, 2))


def test_the_window_and_back() -> None:
    mask = square(100, 60)
    place = place_of(mask)
    window = place.window(mask)
    assert window.shape == (GRID, GRID)
    again = place.in_frame(window, mask.shape) > 0.5
    assert (again & (mask > 0)).sum() / (again | (mask > 0)).sum() > 0.9


def test_the_filter_finds_what_has_moved_and_answers_less_where_nothing_is() -> None:
    mask = square(100, 60)
    place = place_of(mask)
    looks = teach(picture(100, 60), place, place.window(mask))
    here, sure = looks.find(picture(100, 60), place)
    assert here.centre == pytest.approx(place.centre, abs=1)
    there, nearly = looks.find(picture(112, 54), place)
    assert there.centre == pytest.approx((111.5, 53.5), abs=2)
    assert nearly > 0.5 * sure
    assert looks.find(picture(20, 140), place)[1] < 0.35 * sure
