"""Holes and islands, beside SciPy's idea of parts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from maskbus.postprocess.parts import without_holes, without_islands

CORNERS = np.ones((3, 3))
MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))


def parts(mask, structure=None):
    labels, count = ndimage.label(mask, structure)
    return [labels == i + 1 for i in range(count)]


def is_hole(part):
    return not (part[0].any() or part[-1].any() or part[:, 0].any() or part[:, -1].any())


def scattered(rng):
    return rng.random(rng.integers(1, 50, 2)) < rng.choice([0.1, 0.4, 0.6, 0.9])


def check_holes(mask, area):
    wanted = mask.copy()
    for part in parts(~mask):
        wanted |= part & (is_hole(part) and part.sum() < area)
    assert np.array_equal(without_holes(mask, area), wanted)


def check_islands(mask, area):
    found = parts(mask, CORNERS)
    sizes = [int(part.sum()) for part in found]
    wanted = np.zeros_like(mask)
    for part, size in zip(found, sizes, strict=True):
        wanted |= part & (size >= area)
    if found:
        wanted |= found[int(np.argmax(sizes))]  # of equal ones, the first as SciPy numbers them: row by row
    assert np.array_equal(without_islands(mask, area), wanted)


@settings(max_examples=200, deadline=None)
@given(MASKS, st.integers(1, 30))
def test_small_masks(mask, area):
    check_holes(mask, area)
    check_islands(mask, area)


def test_scattered_masks():
    seed = 71
    print("seed", seed)
    rng = np.random.default_rng(seed)
    for _ in range(60):
        mask, area = scattered(rng), int(rng.choice([1, 2, 5, 40, 10**6, 2**62]))
        check_holes(mask, area)
        check_islands(mask, area)
        check_holes(mask[::-1, ::2], area)  # a view
        check_islands(mask.T, area)


def test_a_bay_at_the_border_is_no_hole_and_what_it_would_take_is_not_filled():
    mask = np.ones((9, 9), np.bool_)
    mask[0, 3] = mask[4, 4] = False
    filled = without_holes(mask, 10**9)
    assert filled.sum() == 80
    assert not filled[0, 3]
    assert np.array_equal(without_holes(mask, 1), mask)


def test_a_line_of_corners_closes_a_hole_off_and_is_one_part():
    diamond = np.array([[c == "#" for c in row] for row in (".#.", "#.#", ".#.")])
    assert without_holes(diamond, 2)[1, 1]
    assert without_islands(diamond, 5) is diamond


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (5, 7)])
def test_full_and_empty(shape):
    for mask in (np.ones(shape, np.bool_), np.zeros(shape, np.bool_)):
        assert np.array_equal(without_holes(mask, 10**9), mask)
        assert np.array_equal(without_islands(mask, 10**9), mask)


def test_the_largest_part_stays_however_small():
    mask = np.zeros((10, 10), np.bool_)
    mask[8, 8:] = mask[1, 1] = mask[5, 1:3] = True
    left = without_islands(mask, 100)
    assert left.sum() == 2
    assert left[5, 1:3].all()  # of two parts of equal size, the one above


def test_what_is_given_is_not_written_to():
    mask = scattered(np.random.default_rng(2))
    before = mask.copy()
    without_holes(mask, 50)
    without_islands(mask, 50)
    assert np.array_equal(mask, before)
