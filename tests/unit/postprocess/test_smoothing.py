"""Smoothed outlines: where they come to lie, and what may not vanish."""

import cv2
import numpy as np
import pytest
from scipy import ndimage

from maskbus.postprocess.smoothing import smoothed


def disc(size, radius, centre=None):
    y, x = np.mgrid[:size, :size]
    cx, cy = centre or (size / 2, size / 2)
    return (x - cx) ** 2 + (y - cy) ** 2 < radius**2


def ragged(rng, by=1.0, radius=60, size=200):
    """Return a disc whose outline goes in and out by a few pixels."""
    y, x = np.mgrid[:size, :size] - size / 2
    noise = cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), 1)
    return np.hypot(x, y) + by * noise / noise.std() < radius


def blobs(rng):
    noise = cv2.GaussianBlur(rng.random((90, 120)).astype(np.float32), (0, 0), rng.choice([0.6, 1.5, 4.0]))
    return noise > np.quantile(noise, rng.choice([0.2, 0.5, 0.9]))


def steps(mask):
    """Return how many steps the outline has: each way from pixel to pixel along its cracks."""
    padded = np.pad(mask, 1)
    return np.count_nonzero(padded[1:] != padded[:-1]) + np.count_nonzero(padded[:, 1:] != padded[:, :-1])


def by_scipy(mask, sigma):
    """Return the blurred mask above one half."""
    blurred = ndimage.gaussian_filter(mask.astype(float), sigma, mode="nearest", radius=int(np.ceil(2 * sigma)))
    return blurred > 0.5


@pytest.mark.parametrize("sigma", [1.3, 2.0, 3.7, 8.0])
def test_it_is_a_gaussian_cut_at_one_half(sigma):
    seed = 73
    print("seed", seed)
    rng = np.random.default_rng(seed)
    mask = ragged(rng, by=sigma / 2)
    smooth = smoothed(mask, sigma)
    assert np.count_nonzero(smooth != mask) > 20
    assert np.count_nonzero(smooth != by_scipy(mask, sigma)) <= 3  # where rounding decides, or it is too thin


@pytest.mark.parametrize("sigma", [1, 2, 4, 8])
def test_a_ragged_outline_gets_shorter_and_the_area_stays(sigma):
    seed = 79
    print("seed", seed)
    rng = np.random.default_rng(seed)
    changes = []
    for _ in range(8):
        mask = ragged(rng, by=sigma / 2)
        smooth = smoothed(mask, sigma)
        assert steps(smooth) < steps(mask)
        assert steps(smooth) < 1.06 * steps(disc(200, 60))
        changes.append(int(smooth.sum()) - int(mask.sum()))
    # What is round shrinks by its curvature: by less than πσ² pixels, however large it is.
    assert -1.2 * np.pi * sigma**2 - 15 < np.mean(changes) < 15


def test_straight_edges_stay_where_they_are():
    mask = np.zeros((80, 90), np.bool_)
    mask[:, 37:] = True
    for reach in (0.5, 2, 9, 30, 64):
        assert np.array_equal(smoothed(mask, reach, (True, True, True, True)), mask)
    slanted = np.add.outer(np.arange(80), np.arange(90)) > 80
    inner = np.s_[20:-20, 20:-20]
    assert np.array_equal(smoothed(slanted, 6, (True, True, True, True))[inner], slanted[inner])


def test_corners_in_and_out_alike():
    # An L: its inner corner gains what one of its outer corners loses.
    mask = np.zeros((120, 120), np.bool_)
    mask[20:100, 20:60] = mask[60:100, 20:100] = True
    smooth = smoothed(mask, 8)
    gained, lost = smooth & ~mask, mask & ~smooth
    assert gained.any()
    assert lost.sum() == 5 * gained.sum()
    back = smoothed(~mask, 8, (True, True, True, True))
    assert np.array_equal(~back, smooth)  # the background is treated as the object is


def test_the_image_s_border_is_no_outline():
    mask = disc(100, 60, (100, 50))
    kept = smoothed(mask, 10, (False, True, True, True))
    assert np.array_equal(kept[:, -1], mask[:, -1])
    assert not smoothed(mask, 10).all(axis=1)[50]
    full = np.ones((30, 40), np.bool_)
    assert smoothed(full, 64, (True, True, True, True)).all()


def test_nothing_is_added_outside_of_the_box():
    mask = np.zeros((60, 60), np.bool_)
    mask[3:57, 4:50] = True  # three pixels from the border
    smooth = smoothed(mask[3:57, 4:50], 12)
    whole = smoothed(mask, 12, (True, True, True, True))
    assert np.array_equal(whole[3:57, 4:50], smooth)
    assert not whole[:3].any()


@pytest.mark.parametrize("sigma", [0.6, 1, 2, 4, 4.3, 20])
def test_no_pixel_is_further_from_where_it_was_than_twice_that(sigma):
    seed = 83
    print("seed", seed)
    rng = np.random.default_rng(seed)
    everywhere = (True, True, True, True)
    for _ in range(20):
        mask = blobs(rng)
        smooth = smoothed(mask, sigma, everywhere)
        for before, after in ((mask, smooth), (~mask, ~smooth)):
            stays = ndimage.distance_transform_edt(~(before & after))
            assert stays[before].max(initial=0) <= 2 * sigma


@pytest.mark.parametrize("kind", ["dot", "line", "slant", "wire", "slit", "pinhole", "speck"])
def test_thin_things_stay_as_they_are(kind):
    body = disc(160, 45, (60, 80))
    mask = np.zeros_like(body)
    thin = np.zeros_like(body)
    if kind == "dot":
        thin[80, 80] = True
    elif kind == "line":
        thin[80, 10:150] = True
    elif kind == "slant":
        np.fill_diagonal(thin, True)
    elif kind == "wire":
        mask, thin[79:82, 104:150] = body, True
    elif kind == "speck":
        mask, thin[20:22, 130:132] = body, True
    if kind in ("slit", "pinhole"):
        gap = np.zeros_like(body)
        gap[80, 30 : 90 if kind == "slit" else 31] = True
        mask = body & ~gap
        smooth = smoothed(mask, 6)
        assert not smooth[gap].any()
    else:
        smooth = smoothed(mask | thin, 6)
        assert smooth[thin].mean() > 0.98  # a wire may be rounded off at its very end
    assert abs(int(smooth.sum()) - int((mask | thin).sum())) < np.pi * 6**2 * 1.2


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (0, 0), (40, 50)])
def test_full_and_empty(shape):
    for cut in ((False,) * 4, (True,) * 4):
        assert not smoothed(np.zeros(shape, np.bool_), 5, cut).any()
        assert smoothed(np.ones(shape, np.bool_), 0.4, cut).all()
        assert smoothed(np.ones(shape, np.bool_), 64, cut).any() == (0 not in shape)
