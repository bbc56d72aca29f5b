"""Many masks in one picture of numbers."""

import numpy as np
import pytest

from maskbus_wire import label_map


def test_masks_that_do_not_overlap_come_back():
    seed = 31
    print("seed", seed)
    rng = np.random.default_rng(seed)
    for count in (0, 1, 5, 254, 255, 256, 300):
        owner = rng.integers(-1, max(count, 1), (20, 30))
        masks = np.array([owner == index for index in range(count)], np.bool_).reshape(count, 20, 30)
        labels = label_map.encode(masks)
        assert labels.dtype == (np.uint8 if count <= 255 else np.uint16)
        assert np.array_equal(label_map.decode(labels, count), masks)


def test_small_masks_lie_on_top():
    masks = np.zeros((3, 6, 6), np.bool_)
    masks[0, 2:4, 2:4] = True
    masks[1] = True
    masks[2, 1:5, 1:5] = True
    labels = label_map.encode(masks)
    assert labels[2, 2] == 1
    assert labels[0, 0] == 2
    assert labels[1, 1] == 3
    assert np.array_equal(label_map.decode(labels, 3).sum(axis=(1, 2)), [4, 20, 12])


def test_empty_masks_have_no_pixels():
    masks = np.zeros((2, 3, 3), np.bool_)
    masks[1, 0, 0] = True
    labels = label_map.encode(masks)
    assert labels.sum() == 2
    assert not label_map.decode(labels, 2)[0].any()


def test_more_masks_than_a_byte_can_name():
    decoded = label_map.decode(np.ones((2, 2), np.uint8), 300)
    assert decoded.shape == (300, 2, 2)
    assert decoded[0].all()
    assert not decoded[1:].any()


def test_malformed_maps():
    with pytest.raises(ValueError, match="names mask 3 of 2"):
        label_map.decode(np.full((2, 2), 3, np.uint8), 2)
    with pytest.raises(ValueError, match="uint8 or uint16"):
        label_map.decode(np.zeros((2, 2), np.int32), 2)
    with pytest.raises(ValueError, match="uint8 or uint16"):
        label_map.decode(np.zeros((2, 2, 1), np.uint8), 2)
    with pytest.raises(ValueError, match="-1 masks"):
        label_map.decode(np.zeros((2, 2), np.uint8), -1)


def test_masks_that_cannot_be_written():
    with pytest.raises(ValueError, match="at most"):
        label_map.encode(np.zeros((65_536, 1, 1), np.bool_))
    with pytest.raises(ValueError, match="bool array"):
        label_map.encode(np.zeros((2, 2), np.bool_))
