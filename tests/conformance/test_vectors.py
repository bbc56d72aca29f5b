import dataclasses

import msgspec
import numpy as np
import pytest

from maskbus_wire import (
    bits,
    compressed_image,
    frames,
    image_checks,
    label_map,
    png,
    polygon,
    prompt_checks,
    raw_image,
    rle,
)
from maskbus_wire import checks as wire_checks
from maskbus_wire.base64_text import decode as from_base64
from maskbus_wire.errors import CODES, WireError
from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.prompts import Blob
from maskbus_wire.replies import REPLIES, Masks, Progress
from maskbus_wire.requests import OPERATIONS, Segment


def split(vector):
    parts = [bytes.fromhex(frame) for frame in vector["frames"]]
    return parts[1:] if vector["kind"] == "published" else parts


def decode(vector, limits=DEFAULT_LIMITS):
    parts = split(vector)
    plain, _ = frames.open_header(parts, limits)
    if vector["kind"] == "request":
        message = frames.decode_request(plain)
        wire_checks.check_request(message, len(parts) - 1, limits)
        return message, parts[1:]
    return frames.decode_reply(plain), parts[1:]


def assert_same(message, expected, path="message"):
    """Compare a struct with JSON that has every one of its fields."""
    if isinstance(message, msgspec.Struct):
        names = dict(zip(message.__struct_encode_fields__, message.__struct_fields__, strict=True))
        config = message.__struct_config__
        expected = dict(expected)
        if config.tag_field is not None:
            assert expected.pop(config.tag_field) == config.tag, path
        assert expected.keys() == names.keys(), path
        for name, field in names.items():
            assert_same(getattr(message, field), expected[name], f"{path}.{name}")
    elif isinstance(message, bytes):
        assert {"$hex": message.hex()} == expected, path
    elif isinstance(message, (list, tuple)):
        assert len(message) == len(expected), path
        for i, (item, other) in enumerate(zip(message, expected, strict=True)):
            assert_same(item, other, f"{path}[{i}]")
    elif isinstance(message, dict):
        assert message.keys() == expected.keys(), path
        for key, item in message.items():
            assert_same(item, expected[key], f"{path}.{key}")
    else:
        assert type(message) is type(expected), path
        assert message == expected, path


def test_the_vectors_are_as_generated(run_generator):
    done = run_generator("--check")
    assert done.returncode == 0, done.stderr


def test_valid_messages_say_what_they_should(every):
    def check(valid):
        message, _ = decode(valid)
        assert_same(message, valid["message"])

    every("valid", check)


def test_encoding_a_valid_message_gives_its_bytes(every):
    def check(valid):
        message, attachments = decode(valid)
        encoded = [bytes(frame) for frame in frames.encode(message, attachments)]
        if valid["canonical"]:
            assert encoded == split(valid)
        else:
            again, _ = frames.open_header(encoded)
            decoder = frames.decode_request if valid["kind"] == "request" else frames.decode_reply
            assert decoder(again) == message

    every("valid", check)


def test_published_messages_name_their_topic(every):
    def check(published):
        topic = bytes.fromhex(published["frames"][0]).decode()
        assert topic.rpartition(":")[2] == published["message"]["topic"]

    every("published", check)


def test_invalid_messages_are_refused(every):
    def check(invalid):
        limits = dataclasses.replace(DEFAULT_LIMITS, **invalid.get("limits", {}))
        if invalid.get("stage") == "content":
            message, attachments = decode(invalid, limits)
            with pytest.raises(WireError) as caught:
                open_contents(message, attachments, limits)
        else:
            with pytest.raises(WireError) as caught:
                decode(invalid, limits)
        assert {"code": caught.value.code, "path": caught.value.path} == invalid["error"]
        assert 0 < len(caught.value.message) <= 400

    every("invalid", check)


def test_every_operation_reply_and_code_has_a_vector(vectors_folder):
    names = {path.stem for path in (vectors_folder / "valid").glob("*.json")}
    assert {f"error-{code}" for code in CODES} <= names
    messages = [load(path) for path in (vectors_folder / "valid").glob("*.json")]
    assert {message["message"].get("op") for message in messages} >= OPERATIONS.keys()
    assert {message["message"].get("reply") for message in messages} >= REPLIES.keys()
    invalid = [load(path) for path in (vectors_folder / "invalid").glob("*.json")]
    assert len(invalid) >= 60


def load(path):
    return msgspec.json.decode(path.read_bytes())


def test_images_show_what_they_should(every):
    def check(with_pixels):
        message, attachments = decode(with_pixels)
        shown = open_image(message.image, attachments, DEFAULT_LIMITS).astype(int)
        expected = with_pixels["pixels"]
        pixels = np.frombuffer(bytes.fromhex(expected["rgb"]["$hex"]), np.uint8)
        pixels = pixels.reshape(expected["height"], expected["width"], 3).astype(int)
        assert shown.shape == pixels.shape
        assert np.abs(shown - pixels).max() <= expected["tolerance"]

    every("with_pixels", check)


def test_masks_are_what_they_should_be(every):
    def check(with_masks):
        message, attachments = decode(with_masks)
        expected = [np.array([[pixel == "#" for pixel in row] for row in rows]) for rows in with_masks["masks"]]
        if isinstance(message, Segment):
            found = [open_mask_prompt(message.prompt.mask, attachments, *expected[0].shape)]
            np.testing.assert_array_equal(found, expected)
            return
        if isinstance(message, Progress):
            found = [rle.decode(mask.rle.counts, *mask.rle.size) for mask in message.masks]
            np.testing.assert_array_equal(found, expected)
            return
        assert isinstance(message, Masks)
        if message.labels is not None:
            data = image_checks.blob_bytes(message.labels, attachments, DEFAULT_LIMITS, "labels")
            labels = np.frombuffer(data, np.dtype(message.labels.dtype).newbyteorder("<")).reshape(message.labels.shape)
            np.testing.assert_array_equal(
                label_map.decode(labels.astype(message.labels.dtype), len(expected)), expected
            )
            return
        count = 0
        for mask, wanted in zip(message.masks, expected, strict=True):
            for encoding, found in open_masks(mask, attachments, message.height, message.width):
                np.testing.assert_array_equal(found, wanted, err_msg=encoding)
                count += 1
        assert count >= len(expected)

    every("with_masks", check)


def test_logits_are_what_they_should_be(every):
    def check(with_logits):
        message, attachments = decode(with_logits)
        tensor = message.masks[0].logits
        data = image_checks.blob_bytes(tensor, attachments, DEFAULT_LIMITS, "masks[0].logits")
        np.testing.assert_array_equal(np.frombuffer(data, "<f4").reshape(tensor.shape), with_logits["logits"])

    every("with_logits", check)


def open_masks(mask, attachments, height, width):
    def data(name):
        blob = getattr(mask, name)
        return None if blob is None else image_checks.blob_bytes(blob, attachments, DEFAULT_LIMITS, name)

    if mask.rle is not None:
        assert tuple(mask.rle.size) == (height, width)
        yield "rle", rle.decode(mask.rle.counts, height, width)
    if mask.bits is not None:
        yield "bits", bits.unpack(data("bits"), height, width)
    if mask.bits_zlib is not None:
        yield "bits+zlib", bits.unpack_zlib(data("bits_zlib"), height, width)
    if mask.png is not None:
        yield "png", png.decode_mask(data("png"), height, width)
    if mask.png_base64 is not None:
        yield "png_base64", png.decode_mask(from_base64(mask.png_base64, max_bytes=10_000), height, width)
    if mask.polygon is not None:
        yield "polygon", polygon.decode(mask.polygon, height, width)
    if mask.raw is not None:
        yield "raw", np.frombuffer(data("raw"), np.uint8).reshape(height, width) == 255


def open_image(image, attachments, limits):
    """Return the upright RGB pixels; section 8."""
    data = image_checks.blob_bytes(image, attachments, limits, "image")
    try:
        if image.encoding in raw_image.CHANNELS:
            if len(data) > (image.step or image.width * raw_image.CHANNELS[image.encoding]) * image.height:
                raise ValueError("too many bytes")
            view = raw_image.view(data, image.width, image.height, image.step or 0, image.encoding)
            if view.ndim == 2:
                return np.repeat(view[:, :, None], 3, axis=2)
            return view[:, :, 2::-1] if image.encoding.startswith("bgr") else view[:, :, :3]
        encoding, width, height = compressed_image.probe(data)
        if image.encoding not in (None, encoding):
            raise WireError("invalid_image", "Another format.", "image.encoding")
        if image.width not in (None, width) or image.height not in (None, height):
            raise ValueError("another size")
        return compressed_image.decode_pil(data, max_pixels=limits.pixels)
    except ValueError as error:
        raise WireError("invalid_image", str(error), "image") from None


def open_mask_prompt(mask, attachments, height, width):
    if mask.encoding == "rle":
        return rle.decode(mask.counts, height, width)
    data = image_checks.blob_bytes(mask, attachments, DEFAULT_LIMITS, "prompt.mask")
    if mask.encoding == "raw":
        return np.frombuffer(data, np.uint8).reshape(height, width) != 0
    reader = {"bits": bits.unpack, "bits+zlib": bits.unpack_zlib, "png": png.decode_mask}[mask.encoding]
    return reader(data, height, width)


def open_contents(message, attachments, limits):
    """Look at all bytes of a message, as a receiver does before it uses them."""
    if isinstance(message, Masks):
        for i, mask in enumerate(message.masks):
            for field, name in zip(mask.__struct_fields__, mask.__struct_encode_fields__, strict=True):
                if isinstance(getattr(mask, field), Blob):
                    image_checks.blob_bytes(getattr(mask, field), attachments, limits, f"masks[{i}].{name}")
        return
    height, width = open_image(message.image, attachments, limits).shape[:2]
    prompt_checks.check_inside(message.prompt, width, height)
    if message.prompt.mask is not None:
        try:
            open_mask_prompt(message.prompt.mask, attachments, height, width)
        except ValueError as error:
            raise WireError("invalid_value", str(error), "prompt.mask") from None
    if message.prompt.logits is not None:
        data = image_checks.blob_bytes(message.prompt.logits, attachments, limits, "prompt.logits")
        rows, columns = message.prompt.logits.shape
        if len(data) != 4 * rows * columns or not np.isfinite(np.frombuffer(data, "<f4")).all():
            raise WireError("invalid_value", "Wrong logits.", "prompt.logits")
