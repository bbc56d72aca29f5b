"""Masks scaled up, beside OpenCV's interpolation of all of them."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskbus.postprocess.upscaling import Axis, upscaled
from maskbus_wire import geometry


def scaled(mask, height, width):
    """Return the whole mask, checked to be cut to its box."""
    (x, y, w, h), inside = upscaled(geometry.window(mask), Axis(mask.shape[0], height), Axis(mask.shape[1], width))
    full = np.zeros((height, width), np.bool_)
    full[y : y + h, x : x + w] = inside
    assert geometry.bbox(full) == (x, y, w, h)
    assert inside.flags.c_contiguous
    return full


def check(mask, height, width):
    """Compare with all of the mask interpolated, but for what is half to the last digit."""
    values = cv2.resize(mask.astype(np.float64), (width, height), interpolation=cv2.INTER_LINEAR)
    if mask.any() and values.max() < 0.5 - 1e-6:
        assert scaled(mask, height, width).any()
        return
    clear = np.abs(values - 0.5) > 1e-5
    assert np.array_equal(scaled(mask, height, width)[clear], (values > 0.5)[clear])


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)), st.data())
def test_small_masks(mask, data):
    height, width = (data.draw(st.integers(side, 5 * side + 3)) for side in mask.shape)
    check(mask, height, width)


def test_blobs_of_all_sizes():
    seed = 97
    print("seed", seed)
    rng = np.random.default_rng(seed)
    for _ in range(60):
        rows, columns = (int(side) for side in rng.integers(1, 70, 2))
        noise = cv2.GaussianBlur(rng.random((rows, columns)).astype(np.float32), (0, 0), 2)
        mask = noise > np.quantile(noise, rng.choice([0.05, 0.5, 0.9]))
        mask[:, : columns // 3] &= rng.random() < 0.5
        factor = rng.uniform(1, 6, 2)
        check(mask, int(rows * factor[0]), int(columns * factor[1]))


def test_large_masks_are_scaled_in_parts():
    y, x = np.mgrid[:300, :500]
    mask = (x - 240) ** 2 / 230**2 + (y - 150) ** 2 / 140**2 < 1
    check(mask, 1111, 1990)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_boxes_are_boxes(factor):
    mask = np.zeros((30, 40), np.bool_)
    mask[5:20, 0:33] = True
    wanted = np.kron(mask, np.ones((factor, factor), np.bool_))
    differs = scaled(mask, *wanted.shape) != wanted
    assert differs.sum() == {2: 0, 3: 2, 4: 2}[factor]  # of its corners inside of the image
    differs[factor * 5 : factor * 20, : factor * 33][np.ix_([0, 1, -2, -1], [-2, -1])] = False
    assert not differs.any()


def test_the_size_that_it_has():
    mask = np.random.default_rng(1).random((20, 30)) < 0.5
    assert np.array_equal(scaled(mask, 20, 30), mask)


def test_a_pixel_leaves_a_pixel():
    # Between pixels that are half as far apart again, the centre of none need be near enough to be half.
    for at in np.ndindex(7, 7):
        mask = np.zeros((7, 7), np.bool_)
        mask[at] = True
        for side in range(7, 22):
            assert 0 < scaled(mask, side, side).sum() <= (side / 7 + 1) ** 2


def test_none():
    assert upscaled(((0, 0, 0, 0), np.zeros((0, 0), np.bool_)), Axis(3, 9), Axis(3, 9))[0] == (0, 0, 0, 0)
