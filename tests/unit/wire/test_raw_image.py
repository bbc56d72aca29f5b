"""Raw pixels: views of buffers, and arrays made ready to send."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskbus_wire import raw_image


def received(image):
    return raw_image.view(image.data, image.width, image.height, image.step, image.encoding)


@given(
    st.sampled_from(sorted(raw_image.CHANNELS)),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 20),
    st.integers(0, 5),
)
def test_view_of_padded_rows(encoding, width, height, padding, tail):
    channels = raw_image.CHANNELS[encoding]
    step = width * channels + padding
    needed = raw_image.required_bytes(width, height, step, encoding)
    assert needed == step * (height - 1) + width * channels
    buffer = np.random.default_rng(1).integers(0, 256, needed + tail, np.uint8).tobytes()
    pixels = raw_image.view(buffer, width, height, step, encoding)
    assert pixels.dtype == np.uint8
    assert pixels.shape == ((height, width) if channels == 1 else (height, width, channels))
    rows = [buffer[row * step : row * step + width * channels] for row in range(height)]
    assert pixels.tobytes() == b"".join(rows)
    with pytest.raises(ValueError, match="takes"):
        raw_image.view(buffer[: needed - 1], width, height, step, encoding)


def test_view_copies_nothing():
    buffer = bytearray(12)
    pixels = raw_image.view(buffer, 2, 2, 0, "rgb8")
    buffer[0] = 9
    assert pixels[0, 0, 0] == 9
    pixels[1, 1, 2] = 7
    assert buffer[11] == 7
    assert not raw_image.view(bytes(12), 2, 2, 0, "rgb8").flags.writeable


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, 0, "rgb8"), "no pixels"),
        ((1, 0, 0, "rgb8"), "no pixels"),
        ((-1, 1, 0, "rgb8"), "no pixels"),
        ((4, 4, 11, "rgb8"), "shorter than a row"),
        ((4, 4, -16, "rgb8"), "shorter than a row"),
        ((4, 4, 0, "rgb16"), "not one of"),
        ((2**40, 2**40, 0, "rgb8"), "takes"),
    ],
)
def test_fields_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        raw_image.view(bytes(48), *arguments)


def test_an_empty_buffer():
    with pytest.raises(ValueError, match="not 0"):
        raw_image.view(b"", 1, 1, 0, "mono8")


@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize(
    ("shape", "suffix"), [((4, 5), None), ((4, 5, 1), None), ((4, 5, 3), "8"), ((4, 5, 4), "a8"), ((1, 1, 3), "8")]
)
def test_packed_arrays_are_not_copied(order, shape, suffix):
    array = np.random.default_rng(2).integers(0, 256, shape, np.uint8)
    image = raw_image.from_array(array, order)
    assert image.encoding == ("mono8" if suffix is None else order + suffix)
    assert (image.height, image.width) == shape[:2]
    assert image.step == array[0].size
    assert image.data.nbytes == array.size
    assert np.shares_memory(np.asarray(image.data), array)
    assert np.array_equal(received(image).reshape(shape), array)


def test_padded_rows_are_not_copied():
    base = np.random.default_rng(3).integers(0, 256, (6, 64, 3), np.uint8)
    crop = base[1:5, 2:62]
    image = raw_image.from_array(crop, "bgr")
    assert image.step == 192
    assert image.data.nbytes == 3 * 192 + 180
    assert np.shares_memory(np.asarray(image.data), base)
    assert np.array_equal(received(image), crop)
    assert raw_image.from_array(base[::2, :, :], "bgr").step == 384


def test_a_crop_sends_nothing_of_what_lies_around_it():
    base = np.random.default_rng(4).integers(0, 256, (400, 400, 3), np.uint8)
    crop = base[100:110, 100:110]
    image = raw_image.from_array(crop, "rgb")
    assert image.data.nbytes == crop.size
    assert np.array_equal(received(image), crop)


@pytest.mark.parametrize(
    "view",
    [
        np.s_[::-1],
        np.s_[:, ::-1],
        np.s_[:, :, ::-1],
        np.s_[:, ::2],
        np.s_[:1, ::2],
        np.s_[:, :1],
        np.s_[:1, :1],
        np.s_[..., 0],
        np.s_[..., 1:2],
        np.s_[:, :, 1:],
    ],
)
def test_any_strides(view):
    array = np.random.default_rng(5).integers(0, 256, (7, 8, 4), np.uint8)[view]
    image = raw_image.from_array(array, "rgb")
    assert np.array_equal(received(image).reshape(array.shape), array)
    turned = array.swapaxes(0, 1)
    assert np.array_equal(received(raw_image.from_array(turned, "rgb")).reshape(turned.shape), turned)


def test_repeated_rows_and_read_only_arrays():
    row = np.arange(6, dtype=np.uint8)
    repeated = np.broadcast_to(row, (4, 6))
    assert np.array_equal(received(raw_image.from_array(repeated, "rgb")), repeated)


def test_bool_becomes_black_and_white():
    mask = np.array([[True, False], [False, True]])
    image = raw_image.from_array(mask, "rgb")
    assert image.encoding == "mono8"
    assert bytes(image.data) == b"\xff\x00\x00\xff"


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16, np.int8, np.int64, np.complex64, object])
def test_other_dtypes_are_not_scaled_silently(dtype):
    with pytest.raises(TypeError, match=r"must be uint8.*astype"):
        raw_image.from_array(np.zeros((2, 2, 3), dtype), "rgb")


def test_what_is_no_picture():
    for shape in ((4,), (2, 2, 2), (2, 2, 5), (1, 2, 2, 3)):
        with pytest.raises(ValueError, match="shape"):
            raw_image.from_array(np.zeros(shape, np.uint8), "rgb")
    for shape in ((0, 4), (4, 0, 3)):
        with pytest.raises(ValueError, match="no pixels"):
            raw_image.from_array(np.zeros(shape, np.uint8), "rgb")
    with pytest.raises(ValueError, match="order"):
        raw_image.from_array(np.zeros((2, 2), np.uint8), "grb")
    with pytest.raises(TypeError, match="numpy array"):
        raw_image.from_array([[1, 2]], "rgb")
