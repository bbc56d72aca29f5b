"""What viewers are shown, read back with the definitions that a file carries."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from mcap_protobuf.schema import build_file_descriptor_set
from PIL import Image as Pictures

from maskbus.adapters.recording import frame_view, label_picture, mask_view
from maskbus_client.errors import ProtocolError
from maskbus_wire import header, overlay
from maskbus_wire.frames import decode_reply
from maskbus_wire.limits import DEFAULT_LIMITS
from support import recordings

NOW = 1_700_000_000_123_456_789
KIND = FieldDescriptorProto
T, F, S = "google.protobuf.Timestamp", "fixed32", "string"
SCHEMAS = {
    "foxglove.CompressedImage": {1: ("timestamp", T), 2: ("data", "bytes"), 3: ("format", S), 4: ("frame_id", S)},
    "foxglove.RawImage": {
        1: ("timestamp", T),
        2: ("width", F),
        3: ("height", F),
        4: ("encoding", S),
        5: ("step", F),
        6: ("data", "bytes"),
        7: ("frame_id", S),
    },
    "foxglove.ImageAnnotations": {2: ("points", "foxglove.PointsAnnotation"), 3: ("texts", "foxglove.TextAnnotation")},
    "foxglove.PointsAnnotation": {
        1: ("timestamp", T),
        2: ("type", "foxglove.PointsAnnotation.Type"),
        3: ("points", "foxglove.Point2"),
        4: ("outline_color", "foxglove.Color"),
        7: ("thickness", "double"),
    },
    "foxglove.TextAnnotation": {
        1: ("timestamp", T),
        2: ("position", "foxglove.Point2"),
        3: ("text", S),
        4: ("font_size", "double"),
        5: ("text_color", "foxglove.Color"),
        6: ("background_color", "foxglove.Color"),
    },
}


def opened(message):
    return decode_reply(header.unpack(bytes(message[1]), DEFAULT_LIMITS)), message[2:]


def nanoseconds(timestamp):
    return timestamp.seconds * 10**9 + timestamp.nanos


def test_schemas_are_those_that_viewers_know():
    found = {}
    for kind in (frame_view.CompressedImage, frame_view.RawImage, mask_view.ImageAnnotations):
        for file in build_file_descriptor_set(kind).file:
            for message in file.message_type:
                found[f"{file.package}.{message.name}"] = {
                    field.number: (field.name, field.type_name.lstrip(".") or KIND.Type.Name(field.type)[5:].lower())
                    for field in message.field
                }
    for name, fields in SCHEMAS.items():
        assert fields.items() <= found[name].items(), name
    assert mask_view.PointsAnnotation.LINE_LOOP == 2


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "mono8", "rgba8", "bgra8"])
def test_raw_frame(encoding):
    channels = {"mono8": 1, "rgba8": 4, "bgra8": 4}.get(encoding, 3)
    pixels = np.random.default_rng(5).integers(0, 256, (6, 7, channels), np.uint8)
    data = np.pad(pixels.reshape(6, -1), ((0, 0), (0, 3))).tobytes()[:-3]  # padded, but for the last row
    message = recordings.frame(data, encoding, width=7, height=6, step=7 * channels + 3, frame_id="cam")
    view = frame_view.draw(*opened(message), NOW)
    assert (view.width, view.height, view.encoding, view.frame_id) == (7, 6, encoding, "cam")
    assert nanoseconds(view.timestamp) == NOW
    assert len(view.data) == view.step * view.height
    rows = np.frombuffer(view.data, np.uint8).reshape(6, view.step)[:, : 7 * channels]
    assert np.array_equal(rows, pixels.reshape(6, -1))


@pytest.mark.parametrize(("encoding", "suffix"), [("jpeg", ".jpg"), ("png", ".png"), ("webp", ".webp")])
def test_frame_that_is_a_file(encoding, suffix):
    file = cv2.imencode(suffix, np.full((8, 9, 3), 77, np.uint8))[1].tobytes()
    view = frame_view.draw(*opened(recordings.frame(file, encoding)), NOW)
    assert view.DESCRIPTOR.full_name == "foxglove.CompressedImage"
    assert (view.format, view.data) == (encoding, file)


def test_frames_that_cannot_be_drawn():
    reply, _ = opened(recordings.frame(bytes(10), "rgb8", width=7, height=6))
    with pytest.raises(ValueError, match="10 bytes"):
        frame_view.draw(reply, [bytes(10)], NOW)
    with pytest.raises(ProtocolError):
        frame_view.draw(reply, [], NOW)


def blocks():
    """A large mask with a hole, a small one over it, and one that is empty."""
    large, small = np.zeros((2, 40, 60), np.bool_)
    large[5:35, 10:50] = True
    large[20:30, 15:20] = False
    small[10:14, 30:34] = True
    return [small, large, np.zeros_like(small)]


@pytest.mark.parametrize("kind", ["rle", "png"])
def test_masks(kind):
    arrays = blocks()
    view = mask_view.draw(*opened(recordings.masks(arrays, kind=kind, frame_id="cam")), NOW)
    assert (view.picture.format, view.picture.frame_id, nanoseconds(view.picture.timestamp)) == ("png", "cam", NOW)
    image = Pictures.open(io.BytesIO(view.picture.data))
    labels = np.asarray(image)
    small, large, _ = arrays
    assert np.array_equal(labels == 1, small)
    assert np.array_equal(labels == 2, large & ~small)
    assert np.array_equal(labels == 0, ~(small | large))
    rgba = np.asarray(image.convert("RGBA"))
    assert (rgba[labels == 0][:, 3] == 0).all()
    assert (rgba[labels == 2] == [*overlay.palette(2)[1], 128]).all()


def test_outlines_and_words():
    each = [{"object_id": 7, "present": True}, {"label": "cup", "similarity": 0.25}, {"object_id": 9, "present": False}]
    arrays = blocks()
    view = mask_view.draw(*opened(recordings.masks(arrays, each=each)), NOW)
    small, large, _ = arrays
    loops = view.annotations.points
    assert all(loop.type == mask_view.PointsAnnotation.LINE_LOOP for loop in loops)
    assert all(nanoseconds(loop.timestamp) == NOW for loop in loops)
    rings = [np.array([[point.x, point.y] for point in loop.points]) for loop in loops]
    assert len(rings) == 3  # the large one has a hole
    # The picture's corners are (0, 0) and (W, H): through the centres of the outermost pixels.
    assert sorted((*ring.min(0), *ring.max(0)) for ring in rings)[0] == (10.5, 5.5, 49.5, 34.5)
    drawn = np.zeros(large.shape, np.uint8)
    cv2.fillPoly(drawn, [np.floor(ring).astype(np.int32) for ring in rings[:2]], 1)
    assert np.array_equal(cv2.erode(drawn, np.ones((3, 3))) > 0, cv2.erode(large.astype(np.uint8), np.ones((3, 3))) > 0)
    assert [text.text for text in view.annotations.texts] == ["cup 0.25", "#7 0.90"]
    assert (view.annotations.texts[1].position.x, view.annotations.texts[1].position.y) == (30, 10)
    labels = np.asarray(Pictures.open(io.BytesIO(view.picture.data)))
    assert np.array_equal(labels == 8, small)  # an object keeps its colour, whatever its place in the list


def test_masks_without_pixels_have_boxes():
    view = mask_view.draw(*opened(recordings.masks(blocks()[:1], kind="none")), NOW)
    assert view.picture is None
    assert [(p.x, p.y) for p in view.annotations.points[0].points] == [(30, 10), (34, 10), (34, 14), (30, 14)]


def test_no_masks_are_an_empty_picture():
    view = mask_view.draw(*opened(recordings.masks([])), NOW)
    assert not np.asarray(Pictures.open(io.BytesIO(view.picture.data))).any()
    assert not view.annotations.points


def test_many_masks():
    arrays = np.zeros((300, 20, 20), np.bool_)
    for index in range(300):
        arrays[index, index // 20, index % 20] = True
    view = mask_view.draw(*opened(recordings.masks(list(arrays))), NOW)
    labels = np.asarray(Pictures.open(io.BytesIO(view.picture.data)))
    assert np.array_equal(labels.ravel()[:300], [label_picture.label_of(number) for number in range(300)])


def test_masks_that_cannot_be_drawn():
    reply, attachments = opened(recordings.masks(blocks(), kind="png"))
    with pytest.raises(ProtocolError):
        mask_view.draw(reply, attachments[:1], NOW)
    with pytest.raises(ProtocolError):
        mask_view.draw(reply, [b"no png"] * 3, NOW)
