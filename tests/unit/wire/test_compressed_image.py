"""JPEG, PNG and WebP: headers, pixels, and files that are not what they say."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from maskbus_wire import compressed_image

ENCODINGS = ("jpeg", "png", "webp")
LOSSLESS = {"png": {}, "webp": {"lossless": True, "exact": True}}
ENOUGH = 10_000_000


def photo(height=60, width=80):
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(noise, (9, 9), 4)


def written(image, encoding, **options):
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, encoding, **options)
    return buffer.getvalue()


def both(data):
    """Return the RGB pixels of both decoders."""
    pixels, order = compressed_image.decode(data, max_pixels=ENOUGH)
    assert order == "bgr"
    return pixels[:, :, ::-1], compressed_image.decode_pil(data, max_pixels=ENOUGH)


def both_fail(data, match=None, max_pixels=ENOUGH):
    for decode in (compressed_image.decode, compressed_image.decode_pil):
        with pytest.raises(ValueError, match=match):
            decode(data, max_pixels=max_pixels)


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_sniff_and_probe(encoding):
    data = written(photo(), encoding)
    for buffer in (data, bytearray(data), memoryview(data)):
        assert compressed_image.sniff(buffer) == encoding
        assert compressed_image.probe(buffer) == (encoding, 80, 60)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"GIF89a" + bytes(20), b"RIFF\x00\x00\x00\x00WAVE", bytes(100)])
def test_other_data(data):
    assert compressed_image.sniff(data) is None
    with pytest.raises(ValueError, match="neither"):
        compressed_image.probe(data)
    both_fail(data, "neither")


@pytest.mark.parametrize("encoding", sorted(LOSSLESS))
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (60, 80)])
def test_lossless_pixels(encoding, shape):
    rgb = photo(*shape)
    for pixels in both(written(rgb, encoding, **LOSSLESS[encoding])):
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, rgb)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 2}])
def test_jpeg_pixels(options):
    rgb = photo()
    data = written(rgb, "jpeg", quality=97, **options)
    for pixels in both(data):
        assert np.abs(pixels.astype(int) - rgb).mean() < 4


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(encoding, orientation):
    rgb = np.zeros((32, 48, 3), np.uint8)
    rgb[:16, :16] = (250, 10, 10)
    rgb[:16, 32:] = (10, 250, 10)
    data = written(rgb, encoding, exif=exif(orientation), **LOSSLESS.get(encoding, {"quality": 95, "subsampling": 0}))
    upright = {
        1: rgb,
        2: rgb[:, ::-1],
        3: rgb[::-1, ::-1],
        4: rgb[::-1],
        5: rgb.swapaxes(0, 1),
        6: np.rot90(rgb, -1),
        7: rgb[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(rgb),
    }[orientation]
    assert compressed_image.probe(data) == (encoding, upright.shape[1], upright.shape[0])
    for pixels in both(data):
        assert pixels.shape == upright.shape
        assert np.abs(pixels.astype(int) - upright).max() < 60


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"II*\0",
        b"XX*\0\x08\0\0\0",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x01\0\0\0\x06\0\0\0",
    ],
)
def test_broken_exif_counts_as_none(body):
    data = written(photo(), "jpeg")
    segment = b"Exif\0\0" + body
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]
    assert compressed_image.probe(data) == ("jpeg", 80, 60)
    assert all(pixels.shape == (60, 80, 3) for pixels in both(data))


def test_big_endian_exif():
    body = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    data = written(photo(), "jpeg")
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    assert compressed_image.probe(data) == ("jpeg", 60, 80)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16"])
def test_png_modes_agree(mode):
    image = Image.fromarray(photo())
    if mode == "I;16":
        image = Image.fromarray(np.random.default_rng(2).integers(0, 65536, (60, 80)).astype(np.uint16))
    elif mode == "PA":
        image = image.convert("P")
        image.info["transparency"] = bytes(range(256))
    else:
        image = image.convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(photo()[:, :, 0]))
    ours, theirs = both(written(image, "png"))
    assert np.abs(ours.astype(int) - theirs).max() <= (1 if mode == "I;16" else 0)


def test_deep_colour_keeps_the_high_byte():
    deep = np.random.default_rng(3).integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    data = cv2.imencode(".png", deep)[1].tobytes()
    for pixels in both(data):
        assert np.abs(pixels.astype(int) - (deep[:, :, ::-1] >> 8)).max() <= 1


def test_grey_jpeg_and_webp_with_alpha():
    ours, theirs = both(written(Image.fromarray(photo()[:, :, 0]), "jpeg"))
    assert ours.shape == theirs.shape == (60, 80, 3)
    rgba = np.dstack((photo(), photo()[:, :, :1]))
    ours, theirs = both(written(rgba, "webp", lossless=True, exact=True))
    assert np.array_equal(ours, photo())
    assert np.array_equal(theirs, photo())


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": exif(6)}])
def test_every_cut_is_an_error(encoding, options):
    data = written(photo(40, 50), encoding, **({} if encoding != "jpeg" and "progressive" in options else options))
    # WebP may end in a byte that only makes its length even.
    for cut in [*range(0, len(data), 7), *range(len(data) - 12, len(data))]:
        both_fail(data[:cut])
        try:
            found = compressed_image.probe(data[:cut])
        except ValueError:
            continue
        assert sorted(found[1:]) == [40, 50]


def test_a_cut_jpeg_is_not_taken_for_whole_because_of_its_thumbnail():
    thumbnail = written(photo(16, 16), "jpeg")
    body = b"Exif\0\0" + thumbnail
    data = written(photo(), "jpeg")
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    assert compressed_image.probe(data) == ("jpeg", 80, 60)
    both_fail(data[:-40], "cut short")
    assert all(pixels.shape == (60, 80, 3) for pixels in both(data + b"padding"))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_flipped_bytes_give_an_image_or_a_value_error(encoding):
    data = written(photo(24, 32), encoding)
    for at in range(0, len(data), 3):
        damaged = bytearray(data)
        damaged[at] ^= 0x55
        for decode in (compressed_image.decode, compressed_image.decode_pil):
            try:
                decode(damaged, max_pixels=100_000)
            except ValueError:
                continue


def test_a_damaged_png_is_always_noticed():
    data = written(photo(24, 32), "png")
    for at in range(8, len(data), 5):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        both_fail(bytes(damaged))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\x00\x00\x00WEBP"]), st.binary(max_size=80))
def test_any_bytes_after_a_magic(magic, data):
    for read in (
        compressed_image.probe,
        lambda d: compressed_image.decode(d, max_pixels=ENOUGH),
        lambda d: compressed_image.decode_pil(d, max_pixels=ENOUGH),
    ):
        try:
            read(magic + data)
        except ValueError:
            continue


def test_bombs_are_refused_by_their_headers():
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(bytes(100)))
    png += png_chunk(b"IEND", b"")
    assert compressed_image.probe(png) == ("png", 100_000, 100_000)
    both_fail(png, "larger than")

    jpeg = bytearray(written(photo(), "jpeg"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    assert compressed_image.probe(jpeg) == ("jpeg", 65_535, 65_535)
    both_fail(jpeg, "larger than")

    canvas = struct.pack("<II", 0, 2**24 - 1)[:4] + (2**24 - 1).to_bytes(3, "little") * 2
    webp = b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + canvas
    assert compressed_image.probe(webp) == ("webp", 2**24, 2**24)
    both_fail(webp, "larger than")


def test_the_cap_is_exact():
    data = written(photo(), "png")
    assert compressed_image.decode(data, max_pixels=4800)[0].shape == (60, 80, 3)
    both_fail(data, "larger than", max_pixels=4799)


def test_sides_of_nothing():
    jpeg = bytearray(written(photo(), "jpeg"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 7] = b"\0\0"
    with pytest.raises(ValueError, match="no pixels"):
        compressed_image.probe(jpeg)


def test_animated_webp_is_refused():
    frames = [Image.fromarray(photo()), Image.fromarray(255 - photo())]
    data = written(frames[0], "webp", save_all=True, append_images=frames[1:], duration=100)
    both_fail(data, "animation")


def test_webp_of_every_kind_is_measured():
    rgba = np.dstack((photo(33, 47), photo(33, 47)[:, :, :1]))
    for options in ({}, {"lossless": True}):
        for pixels in (photo(33, 47), rgba):
            assert compressed_image.probe(written(pixels, "webp", **options)) == ("webp", 47, 33)
