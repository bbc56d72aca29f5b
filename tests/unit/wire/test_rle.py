"""COCO run lengths, held against pycocotools."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from maskbus_wire import geometry, rle

# pycocotools' own decoder, under numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def reference(mask):
    return coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


def check(mask):
    counts = rle.encode(mask)
    assert counts == reference(mask)
    for text in (counts, counts.encode()):
        decoded = rle.decode(text, *mask.shape)
        assert decoded.dtype == np.bool_
        assert decoded.flags.c_contiguous
        assert np.array_equal(decoded, mask)
    assert rle.area(counts, *mask.shape) == mask.sum()
    assert rle.encode_window(geometry.window(mask), *mask.shape) == counts
    runs = rle.to_runs(mask)
    assert runs.sum() == mask.size
    assert np.array_equal(rle.from_runs(runs, *mask.shape), mask)


def test_random_masks_equal_pycocotools():
    seed = 23
    print("seed", seed)
    rng = np.random.default_rng(seed)
    for turn in range(600):
        mask = rng.random(rng.integers(1, 40, 2)) < rng.choice([0.0, 0.02, 0.1, 0.5, 0.9, 0.98, 1.0])
        check(np.kron(mask, np.ones((9, 5), np.bool_)) if turn % 3 == 0 else mask)


@settings(max_examples=150, deadline=None)
@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_any_mask_equals_pycocotools(mask):
    check(mask)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (1, 64), (64, 1), (8, 8), (1080, 1920)])
@pytest.mark.parametrize("kind", ["empty", "full", "first", "last", "inner"])
def test_edge_shapes(shape, kind):
    mask = np.full(shape, kind == "full")
    if kind == "first":
        mask[0, 0] = True
    elif kind == "last":
        mask[-1, -1] = True
    elif kind == "inner":
        mask[1:-1, 1:-1] = True
    check(mask)


def test_large_blob_and_dense_noise():
    y, x = np.mgrid[:700, :901]
    check((x - 450) ** 2 / 400**2 + (y - 350) ** 2 / 300**2 < 1)
    check(np.random.default_rng(5).random((300, 401)) < 0.5)


def test_views_that_are_not_contiguous():
    mask = np.random.default_rng(6).random((20, 33)) < 0.4
    for view in (mask.T, mask[::-1], mask[:, ::2], mask[3:9, 5:7]):
        check(view)


def test_empty_runs_cancel():
    runs = np.array([3, 0, 2, 4, 0, 0, 0, 3])
    expected = np.repeat(np.arange(8) % 2 == 1, runs).reshape(4, 3).T
    assert np.array_equal(rle.from_runs(runs, 3, 4), expected)


def test_toggles_may_end_with_the_picture():
    mask = rle.fill(np.array([3, 6]), 2, 3)
    assert np.array_equal(mask, [[False, False, True], [False, True, True]])


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ("", "empty"),
        ("\u00e9", "ASCII"),
        ("4 ", "outside"),
        ("4\x00", "outside"),
        (b"4\xff", "outside"),
        ("4p", "outside"),
        ("P", "middle"),
        ("4P", "middle"),
        ("o", "middle"),
        ("O5", "negative"),
        ("5", "add up"),
        ("3", "add up"),
        ("31", None),
        ("40", None),
        ("ooooooo0", "no picture needs"),
        ("oooooo?", "add up"),
        ("000000", "runs"),
        ("0" * 100, "too long"),
    ],
)
def test_malformed_counts(counts, message):
    if message is None:
        assert rle.decode(counts, 2, 2).shape == (2, 2)
        return
    with pytest.raises(ValueError, match=message):
        rle.decode(counts, 2, 2)
    with pytest.raises(ValueError, match=message):
        rle.area(counts, 2, 2)


def test_a_short_text_for_a_huge_picture_allocates_nothing():
    with pytest.raises(ValueError, match="add up"):
        rle.decode("1", 2**40, 2**40)


def test_counts_for_another_size():
    counts = rle.encode(np.ones((5, 5), np.bool_))
    with pytest.raises(ValueError, match="add up"):
        rle.decode(counts, 5, 6)
    for height, width in ((0, 5), (5, 0), (-1, 5)):
        with pytest.raises(ValueError, match="no pixels"):
            rle.decode(counts, height, width)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_give_a_mask_or_a_value_error(data):
    try:
        mask = rle.decode(data, 6, 5)
    except ValueError:
        return
    assert mask.shape == (6, 5)
    # What was accepted means to pycocotools what it means here.
    assert np.array_equal(coco.decode({"size": [6, 5], "counts": data}), mask)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 63), max_size=12))
def test_any_letters_give_a_mask_or_a_value_error(letters):
    data = bytes(48 + letter for letter in letters)
    try:
        mask = rle.decode(data, 3, 3)
    except ValueError:
        return
    assert np.array_equal(coco.decode({"size": [3, 3], "counts": data}), mask)


@pytest.mark.parametrize("runs", [[], [-1, 5], [3], [[4]], [4.0], [2**62, 2**62, 2**62, 2**62]])
def test_malformed_runs(runs):
    with pytest.raises(ValueError):  # noqa: PT011 - several sentences
        rle.from_runs(np.array(runs), 2, 2)


def test_other_arrays_are_refused():
    with pytest.raises(ValueError, match="bool array"):
        rle.encode(np.zeros((2, 2), np.uint8))
