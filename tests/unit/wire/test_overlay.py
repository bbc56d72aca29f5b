"""Masks painted over pictures."""

import numpy as np
import pytest

from maskbus_wire import overlay


def picture(height, width):
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


def test_only_the_masks_change_and_the_input_does_not():
    rgb = picture(40, 60)
    before = rgb.copy()
    masks = np.zeros((2, 40, 60), np.bool_)
    masks[0, 5:20, 5:30] = True
    masks[1, 15:39, 25:60] = True
    rgb.flags.writeable = False
    painted = overlay.paint(rgb, masks)
    assert painted.shape == rgb.shape
    assert painted.dtype == np.uint8
    assert painted.flags.writeable
    assert np.array_equal(rgb, before)
    outside = ~masks.any(axis=0)
    assert np.array_equal(painted[outside], rgb[outside])
    assert np.any(painted[~outside] != rgb[~outside])


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 1.0])
def test_the_mix(alpha):
    rgb = picture(30, 41)
    mask = np.random.default_rng(8).random((1, 30, 41)) < 0.5
    colour = np.array([[10, 200, 255]], np.uint8)
    painted = overlay.paint(rgb, mask, alpha=alpha, colours=colour, outline=False)
    expected = rgb * (1 - alpha) + colour[0] * alpha
    assert np.abs(painted[mask[0]] - expected[mask[0]]).max() <= 1
    assert np.array_equal(painted[~mask[0]], rgb[~mask[0]])


def test_the_outline_has_the_full_colour():
    mask = np.zeros((1, 30, 30), np.bool_)
    mask[0, 5:25, 5:25] = True
    colour = np.array([[255, 0, 0]], np.uint8)
    painted = overlay.paint(np.zeros((30, 30, 3), np.uint8), mask, colours=colour)
    assert np.array_equal(painted[5, 5:25], np.repeat(colour, 20, axis=0))
    assert painted[15, 15].tolist() == [127, 0, 0]


def test_smaller_masks_lie_on_top():
    masks = np.zeros((2, 20, 20), np.bool_)
    masks[0, 8:12, 8:12] = True
    masks[1] = True
    colours = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)
    painted = overlay.paint(np.zeros((20, 20, 3), np.uint8), masks, alpha=1.0, colours=colours, outline=False)
    assert painted[9, 9].tolist() == [255, 0, 0]
    assert painted[0, 0].tolist() == [0, 255, 0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (1000, 30)])
@pytest.mark.parametrize("value", [False, True])
def test_edge_shapes(shape, value):
    rgb = picture(*shape)
    painted = overlay.paint(rgb, np.full((1, *shape), value))
    assert np.array_equal(painted, rgb) != value


def test_views_that_are_not_contiguous():
    bgr = picture(20, 30)
    masks = np.zeros((1, 20, 30), np.bool_)
    masks[0, 3:9, 4:20] = True
    view = bgr[:, :, ::-1]
    assert np.array_equal(overlay.paint(view, masks), overlay.paint(np.ascontiguousarray(view), masks))


def test_no_masks():
    rgb = picture(5, 6)
    painted = overlay.paint(rgb, np.zeros((0, 5, 6), np.bool_))
    assert np.array_equal(painted, rgb)
    assert not np.shares_memory(painted, rgb)


def test_colours_differ_and_do_not_depend_on_the_count():
    table = overlay.palette(20).astype(int)
    assert np.array_equal(overlay.palette(7), table[:7])
    distances = np.abs(table[:, np.newaxis] - table[np.newaxis]).sum(axis=2)
    assert distances[~np.eye(20, dtype=bool)].min() > 40
    assert np.abs(np.diff(table, axis=0)).sum(axis=1).min() > 150


def test_malformed_arguments():
    rgb, masks = picture(4, 5), np.zeros((1, 4, 5), np.bool_)
    with pytest.raises(ValueError, match="uint8 array"):
        overlay.paint(rgb.astype(np.float32), masks)
    with pytest.raises(ValueError, match="uint8 array"):
        overlay.paint(rgb[:, :, 0], masks)
    with pytest.raises(ValueError, match="do not fit"):
        overlay.paint(rgb, masks[:, :3])
    with pytest.raises(ValueError, match="bool array"):
        overlay.paint(rgb, masks[0])
    with pytest.raises(ValueError, match="colours"):
        overlay.paint(rgb, masks, colours=np.zeros((0, 3), np.uint8))
    for alpha in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="share"):
            overlay.paint(rgb, masks, alpha=alpha)
