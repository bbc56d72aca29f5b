from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskbus_client import image_input, picture
from maskbus_wire import raw_image
from maskbus_wire.limits import DEFAULT_LIMITS


def seen(prepared: image_input.PreparedImage) -> np.ndarray:
    """Return the pixels as the node would read them."""
    image = prepared.image
    return raw_image.view(
        prepared.attachments[0], image.width or 0, image.height or 0, image.step or 0, image.encoding or ""
    )


@pytest.mark.parametrize(
    ("shape", "color", "encoding"),
    [
        ((5, 7), "rgb", "mono8"),
        ((5, 7, 1), "rgb", "mono8"),
        ((5, 7, 3), "rgb", "rgb8"),
        ((5, 7, 3), "bgr", "bgr8"),
        ((5, 7, 4), "rgb", "rgba8"),
        ((5, 7, 4), "bgr", "bgra8"),
    ],
)
def test_arrays(shape, color, encoding):
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    prepared = image_input.prepare(array, color)
    assert prepared.image.encoding == encoding
    assert (prepared.image.width, prepared.image.height, prepared.image.step) == (7, 5, None)
    assert prepared.size == (5, 7)
    assert np.array_equal(seen(prepared), array.reshape(seen(prepared).shape))
    assert np.shares_memory(np.frombuffer(prepared.attachments[0], np.uint8), array)
    assert prepared.borrowed
    shown = prepared.picture()
    assert shown is not None
    assert shown.shape == (5, 7, 3)
    if array.ndim == 3 and shape[2] >= 3:
        assert np.array_equal(shown, array[:, :, 2::-1] if color == "bgr" else array[:, :, :3])


@pytest.mark.parametrize(
    "cut",
    [
        np.s_[::2, ::3],
        np.s_[::-1, ::-1],
        np.s_[3:9, 4:11],
        np.s_[:, :, ::-1],
        np.s_[2:3, :],
    ],
)
def test_any_strides(cut):
    array = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)[cut]
    assert np.array_equal(seen(image_input.prepare(array)), array)


def test_padded_rows_are_sent_as_they_lie():
    array = np.random.default_rng(0).integers(0, 256, (20, 32, 3), np.uint8)[:, :30]
    prepared = image_input.prepare(array)
    assert prepared.image.step == 96
    assert np.shares_memory(np.frombuffer(prepared.attachments[0], np.uint8), array)
    assert np.array_equal(seen(prepared), array)


def test_bool_is_black_and_white():
    array = np.eye(4, 6, dtype=bool)
    prepared = image_input.prepare(array)
    assert prepared.image.encoding == "mono8"
    assert np.array_equal(seen(prepared), array * np.uint8(255))


@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_files_and_their_bytes_are_sent_as_they_are(form, tmp_path: Path):
    buffer = io.BytesIO()
    Image.fromarray(np.full((5, 7, 3), 90, np.uint8)).save(buffer, form)
    data = buffer.getvalue()
    path = tmp_path / "picture"
    path.write_bytes(data)
    for given in (data, bytearray(data), memoryview(data), path, str(path)):
        prepared = image_input.prepare(given)
        assert prepared.image.encoding == form
        assert prepared.attachments == [data]
        assert prepared.size == (5, 7)
        assert not prepared.borrowed
        shown = prepared.picture()
        assert shown is not None
        assert abs(shown.astype(int) - 90).max() < 4


@pytest.mark.parametrize(
    ("mode", "encoding"),
    [
        ("RGB", "rgb8"),
        ("L", "mono8"),
        ("RGBA", "rgba8"),
        ("1", "mono8"),
        ("P", "rgb8"),
        ("CMYK", "rgb8"),
        ("I;16", "mono8"),
    ],
)
def test_pil_images(mode, encoding):
    image = Image.new(mode, (7, 5), 0)
    prepared = image_input.prepare(image)
    assert prepared.image.encoding == encoding
    assert seen(prepared).shape[:2] == (5, 7)
    assert prepared.size == (5, 7)
    shown = prepared.picture()
    assert shown is not None
    assert shown.shape == (5, 7, 3)


def test_sixteen_bits_keep_their_high_byte():
    image = Image.fromarray(np.array([[0x1234, 0xFF00]], np.uint16))
    assert seen(image_input.prepare(image)).tolist() == [[0x12, 0xFF]]


@pytest.mark.parametrize("thing", [None, 5, [[1, 2]], object()])
def test_what_is_no_image(thing):
    with pytest.raises(TypeError, match="image is"):
        image_input.prepare(thing)


@pytest.mark.parametrize("array", [np.zeros((5, 7)), np.zeros((5, 7, 3), np.uint16), np.zeros((5, 7), np.int64)])
def test_arrays_of_another_type(array):
    with pytest.raises(TypeError, match="uint8"):
        image_input.prepare(array)


@pytest.mark.parametrize("shape", [(5,), (5, 7, 2), (0, 7, 3), (1, 2, 3, 4), (DEFAULT_LIMITS.side + 1, 1)])
def test_arrays_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"shape|pixels"):
        image_input.prepare(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n"])
def test_bytes_that_are_no_image(data):
    with pytest.raises(ValueError, match="JPEG, PNG or WebP"):
        image_input.prepare(data)


def test_a_path_without_a_file(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        image_input.prepare(tmp_path / "none.png")


def test_another_colour_order():
    with pytest.raises(ValueError, match="color"):
        image_input.prepare(np.zeros((2, 2, 3), np.uint8), "grb")  # type: ignore[arg-type]


def test_what_was_sent_is_remembered_weakly():
    array = np.zeros((5, 7, 3), np.uint8)
    prepared = image_input.prepare(array)._replace(attachments=[])
    assert prepared.picture() is not None
    del array
    assert prepared.picture() is None


def test_an_owned_image_no_longer_follows_the_callers_array():
    array = np.zeros((5, 7, 3), np.uint8)
    mine = image_input.own(image_input.prepare(array))
    array[:] = 9
    assert not seen(mine).any()
    assert not mine.borrowed
    assert image_input.own(mine) is mine


@pytest.mark.parametrize(
    "array", [np.full((3, 4), 7, np.uint8), np.full((3, 4, 3), 7, np.uint8), np.eye(3, 4, dtype=bool)]
)
def test_png_files_hold_what_was_put_in(array, tmp_path: Path):
    path = tmp_path / "a.png"
    picture.write_png(path, array)
    expected = array * np.uint8(255) if array.dtype == bool else array
    assert np.array_equal(np.asarray(Image.open(path)), expected)
