"""Boxes and areas of masks."""

import numpy as np
import pytest

from maskbus_wire import geometry


def test_box_and_area_of_random_masks():
    seed = 11
    print("seed", seed)
    rng = np.random.default_rng(seed)
    for _ in range(300):
        mask = rng.random(rng.integers(1, 30, 2)) < rng.choice([0.01, 0.1, 0.9])
        rows, columns = np.nonzero(mask)
        if rows.size:
            x, y = columns.min(), rows.min()
            expected = (x, y, columns.max() - x + 1, rows.max() - y + 1)
        else:
            expected = (0, 0, 0, 0)
        assert geometry.bbox(mask) == expected
        assert geometry.area(mask) == rows.size


def test_results_are_plain_ints():
    mask = np.ones((3, 4), np.bool_)
    assert [type(value) for value in (*geometry.bbox(mask), geometry.area(mask))] == [int] * 5


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (5, 7)])
def test_full_and_empty_masks(shape):
    assert geometry.bbox(np.ones(shape, np.bool_)) == (0, 0, shape[1], shape[0])
    assert geometry.bbox(np.zeros(shape, np.bool_)) == (0, 0, 0, 0)


def test_views_that_are_not_contiguous():
    mask = np.zeros((8, 10), np.bool_)
    mask[2:5, 4:6] = True
    assert geometry.bbox(mask.T) == (2, 4, 3, 2)
    assert geometry.bbox(mask[::-1]) == (4, 3, 2, 3)


def test_a_mask_without_pixels():
    assert geometry.bbox(np.zeros((0, 4), np.bool_)) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "mask", [np.zeros((2, 2), np.uint8), np.zeros(4, np.bool_), np.zeros((1, 2, 2), np.bool_), [[True]]]
)
def test_other_arrays_are_refused(mask):
    with pytest.raises(ValueError, match="bool array"):
        geometry.bbox(mask)
    with pytest.raises(ValueError, match="bool array"):
        geometry.area(mask)
