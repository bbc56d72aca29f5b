"""Masks as PNG files."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from maskbus_wire import png


def announcing(width, height, colour=0, depth=8):
    """Return a tiny PNG whose header announces any size."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(64))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (37, 61), (1080, 1920)])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_round_trip(shape, share):
    mask = np.random.default_rng(3).random(shape) < share
    data = png.encode_mask(mask)
    for buffer in (data, bytearray(data), memoryview(data)):
        decoded = png.decode_mask(buffer, *shape)
        assert decoded.dtype == np.bool_
        assert np.array_equal(decoded, mask)
    assert np.array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE), mask * np.uint8(255))
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "1"


def test_views_that_are_not_contiguous():
    mask = np.random.default_rng(4).random((12, 19)) < 0.5
    for view in (mask.T, mask[:, ::2], mask[::-1]):
        assert np.array_equal(png.decode_mask(png.encode_mask(view), *view.shape), view)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_pngs_of_other_writers(dtype):
    pixels = np.array([[0, 1, 255], [7, 0, 0]], dtype)
    data = cv2.imencode(".png", pixels)[1].tobytes()
    assert np.array_equal(png.decode_mask(data, 2, 3), pixels != 0)


def test_every_cut_is_an_error():
    mask = np.random.default_rng(5).random((20, 30)) < 0.5
    data = png.encode_mask(mask)
    with pytest.raises(ValueError, match="follows"):
        png.decode_mask(data + b"\0", 20, 30)
    for cut in range(len(data)):
        with pytest.raises(ValueError):  # noqa: PT011 - several sentences
            png.decode_mask(data[:cut], 20, 30)


def test_flipped_bytes_give_a_mask_or_a_value_error():
    data = png.encode_mask(np.random.default_rng(6).random((20, 30)) < 0.5)
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0x55
        try:
            assert png.decode_mask(damaged, 20, 30).shape == (20, 30)
        except ValueError:
            continue


def test_a_bomb_is_refused_by_its_header():
    bomb = announcing(100_000, 100_000)
    assert len(bomb) < 100
    with pytest.raises(ValueError, match="expected"):
        png.decode_mask(bomb, 10, 10)


def test_a_large_mask_does_not_warn():
    # 100 million pixels: above the size at which Pillow warns of a bomb. The data are too short, and that is all.
    with pytest.raises(ValueError, match="broken"):
        png.decode_mask(announcing(10_000, 10_000, depth=1), 10_000, 10_000)


def test_colour_is_refused():
    data = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes()
    with pytest.raises(ValueError, match="grey"):
        png.decode_mask(data, 4, 4)


@pytest.mark.parametrize("data", [b"", b"\x89PNG", b"x" * 50, b"\xff\xd8\xff" + bytes(50)])
def test_other_data_are_refused(data):
    with pytest.raises(ValueError, match="PNG"):
        png.decode_mask(data, 4, 4)


def test_masks_that_cannot_be_written():
    with pytest.raises(ValueError, match="bool array"):
        png.encode_mask(np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match="no pixels"):
        png.encode_mask(np.zeros((0, 2), np.bool_))


def test_true_is_one_in_memory():
    mask = np.eye(9, dtype=np.bool_)
    assert png.decode_mask(png.encode_mask(mask), 9, 9).view(np.uint8).max() == 1
