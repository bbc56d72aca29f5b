"""Packed bits, plain and deflated."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskbus_wire import bits

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20))


@settings(deadline=None)
@given(masks)
def test_round_trip(mask):
    for pack, unpack in ((bits.pack, bits.unpack), (bits.pack_zlib, bits.unpack_zlib)):
        data = pack(mask)
        for buffer in (data, bytearray(data), memoryview(data)):
            decoded = unpack(buffer, *mask.shape)
            assert decoded.dtype == np.bool_
            assert np.array_equal(decoded, mask)


def test_layout():
    mask = np.zeros((2, 9), np.bool_)
    mask[0, 0] = mask[1, 8] = True
    assert bits.pack(mask) == b"\x80\x00\x00\x80"
    assert bits.packed_size(2, 9) == 4


def test_padding_bits_are_ignored():
    assert not bits.unpack(b"\x1f", 1, 3).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 8), (1, 9), (9, 1), (1080, 1920)])
@pytest.mark.parametrize("value", [False, True])
def test_empty_and_full(shape, value):
    mask = np.full(shape, value)
    assert np.array_equal(bits.unpack(bits.pack(mask), *shape), mask)
    assert np.array_equal(bits.unpack_zlib(bits.pack_zlib(mask), *shape), mask)


def test_views_that_are_not_contiguous():
    mask = np.random.default_rng(1).random((12, 19)) < 0.5
    for view in (mask.T, mask[:, ::2], mask[::-1]):
        assert np.array_equal(bits.unpack(bits.pack(view), *view.shape), view)
        assert np.array_equal(bits.unpack_zlib(bits.pack_zlib(view), *view.shape), view)


@pytest.mark.parametrize("size", [0, 3, 5])
def test_wrong_size(size):
    with pytest.raises(ValueError, match="takes 4 bytes"):
        bits.unpack(bytes(size), 2, 9)
    with pytest.raises(ValueError, match="bytes"):
        bits.unpack_zlib(zlib.compress(bytes(size)), 2, 9)


def test_every_cut_and_every_tail_of_a_stream():
    data = bits.pack_zlib(np.random.default_rng(2).random((20, 31)) < 0.5)
    for cut in range(len(data)):
        with pytest.raises(ValueError, match=r"stops|broken"):
            bits.unpack_zlib(data[:cut], 20, 31)
    with pytest.raises(ValueError, match="follow"):
        bits.unpack_zlib(data + b"\x00", 20, 31)


def test_a_bomb_is_not_inflated():
    bomb = zlib.compress(bytes(50_000_000), 9)
    with pytest.raises(ValueError, match="more than"):
        bits.unpack_zlib(bomb, 10, 10)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_give_a_mask_or_a_value_error(data):
    try:
        bits.unpack_zlib(data, 3, 8)
    except ValueError:
        return


def test_sides_and_arrays_that_are_refused():
    with pytest.raises(ValueError, match="no pixels"):
        bits.unpack(b"", 0, 8)
    with pytest.raises(ValueError, match="no pixels"):
        bits.unpack_zlib(zlib.compress(b""), 8, 0)
    with pytest.raises(ValueError, match="bool array"):
        bits.pack(np.zeros((2, 2), np.uint8))
