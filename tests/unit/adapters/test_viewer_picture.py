"""Frames become JPEGs of the size that is wanted, masks become rings: what a page gets."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from maskbus.adapters.viewer import outline, picture
from maskbus.adapters.viewer.frame import Frame, encode
from maskbus_client.results import Result
from maskbus_wire import overlay, polygon, raw_image, rle
from maskbus_wire.prompts import Image
from maskbus_wire.replies import Mask, Masks, Rle

RED = np.zeros((48, 64, 3), np.uint8)
RED[..., 0], RED[:24, :32] = 200, (30, 60, 220)


def read(data: bytes) -> np.ndarray:
    """Return RGB."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


@pytest.mark.parametrize("encoding", list(raw_image.CHANNELS))
@pytest.mark.parametrize("padding", [0, 7])
def test_every_raw_encoding_keeps_its_colours(encoding, padding):
    turn = {
        "rgb8": RED,
        "bgr8": RED[..., ::-1],
        "mono8": RED[..., 0],
        "rgba8": np.dstack([RED, RED[..., 0]]),
        "bgra8": np.dstack([RED[..., ::-1], RED[..., 0]]),
    }[encoding]
    row = 64 * raw_image.CHANNELS[encoding]
    rows = np.zeros((48, row + padding), np.uint8)
    rows[:, :row] = turn.reshape(48, row)
    image = Image(attachment=0, encoding=encoding, width=64, height=48, step=row + padding)
    found = encode(image, rows.tobytes(), 32)
    assert (found.width, found.height) == (64, 48)
    got = read(found.data)
    assert got.shape == (24, 32, 3)
    wanted = RED[..., :1].repeat(3, 2) if encoding == "mono8" else RED
    for y, x in ((4, 4), (20, 28)):
        assert np.abs(got[y, x].astype(int) - wanted[2 * y, 2 * x]).max() < 12


def test_a_small_jpeg_goes_on_as_it_is_and_a_large_one_is_shrunk():
    data = bytes(cv2.imencode(".jpg", RED[..., ::-1])[1])
    assert encode(Image(attachment=0, encoding="jpeg"), data, 64).data == data
    shrunk = encode(Image(attachment=0, encoding="jpeg"), data, 16)
    assert (shrunk.width, shrunk.height) == (64, 48)
    assert read(shrunk.data).shape == (12, 16, 3)


def test_a_png_becomes_a_jpeg():
    data = bytes(cv2.imencode(".png", RED[..., ::-1])[1])
    assert read(encode(Image(attachment=0, encoding="png"), data, 640).data).shape == (48, 64, 3)


@pytest.mark.parametrize("image", [Image(attachment=0, encoding="jpeg"), Image(attachment=0, encoding="rgb8", width=9)])
def test_what_is_no_picture_is_not_shown(image):
    with pytest.raises(ValueError, match=r"."):
        encode(image, b"nonsense", 320)
    frame = Frame((0, None), image, b"nonsense", 0.0)
    assert picture.make(frame, None, 320) is None
    frame.press(320)
    assert frame.nbytes == 0
    assert picture.make(frame, None, 320) is None


def test_a_frame_is_made_larger_as_long_as_its_bytes_are_there():
    frame = Frame((0, None), Image(attachment=0, encoding="rgb8", width=64, height=48), RED.tobytes(), 0.0)
    assert read(frame.develop(16).data).shape[1] == 16
    assert read(frame.develop(64).data).shape[1] == 64
    assert read(frame.develop(16).data).shape[1] == 64
    frame.press(16)
    assert frame.data is None
    assert read(frame.develop(200).data).shape[1] == 64


def test_rings_filled_by_the_even_odd_rule_are_the_mask():
    mask = np.zeros((200, 300), np.uint8)
    cv2.circle(mask, (100, 100), 80, 1, -1)
    cv2.circle(mask, (110, 90), 30, 0, -1)
    mask[150:190, 220:280] = 1
    wanted = mask.astype(bool)
    rings = outline.trace(wanted, 0.5)
    assert len(rings) == 3
    drawn = np.zeros_like(mask)
    cv2.fillPoly(drawn, [np.array(ring).reshape(-1, 2) for ring in rings], 1)
    both = np.logical_and(drawn, wanted).sum() / np.logical_or(drawn, wanted).sum()
    assert both > 0.97
    assert sum(map(len, rings)) < sum(map(len, polygon.encode(wanted)))


def test_rings_are_bounded_and_the_large_ones_are_drawn():
    noise = np.random.default_rng(1).random((200, 200)) < 0.3
    noise[50:150, 50:150] = True
    rings = outline.trace(noise, 0.5, 300)
    assert 0 < sum(map(len, rings)) <= 300
    assert outline.trace(np.zeros((5, 5), bool), 0.5) == []
    assert outline.trace(np.eye(1, dtype=bool), 0.5) == [[0, 0]]


def result(*masks: np.ndarray, **fields: object) -> Result:
    height, width = masks[0].shape
    told = [
        Mask(
            bbox=(0, 0, 0, 0),
            area=int(mask.sum()),
            predicted_iou=0.5,
            stability_score=0.5,
            rle=Rle(size=(height, width), counts=rle.encode(mask)),
            **fields,
        )
        for mask in masks
    ]
    return Result(Masks(model="m", width=width, height=height, masks=told, seq=0, notes=["so it is"]), [])


def test_a_picture_tells_of_its_masks():
    frame = Frame((0, None), Image(attachment=0, encoding="rgb8", width=64, height=48), RED.tobytes(), 0.0)
    mask = np.zeros((48, 64), bool)
    mask[:24, :32] = True
    told, _ = picture.make(frame, result(mask, object_id=2, present=False), 640)
    assert told["notes"] == ["so it is"]
    red, green, blue = overlay.palette(3)[1]
    (one,) = told["masks"]
    assert (one["object"], one["present"], one["area"]) == (2, False, 768)
    assert one["colour"] == f"#{red:02x}{green:02x}{blue:02x}"
    assert sorted(one["rings"][0]) == [0, 0, 0, 0, 23, 23, 31, 31]


def test_masks_of_another_size_than_the_frame_are_left_out():
    frame = Frame((0, None), Image(attachment=0, encoding="rgb8", width=64, height=48), RED.tobytes(), 0.0)
    told, _ = picture.make(frame, result(np.ones((10, 10), bool)), 640)
    assert told["masks"] is None


def test_masks_that_cannot_be_read_are_named_and_the_frame_is_shown():
    frame = Frame((0, None), Image(attachment=0, encoding="rgb8", width=64, height=48), RED.tobytes(), 0.0)
    broken = Mask(bbox=(0, 0, 1, 1), area=1, predicted_iou=1.0, stability_score=1.0, rle=Rle(size=(48, 64), counts="~"))
    reply = Masks(model="m", width=64, height=48, masks=[broken], seq=0)
    told, jpeg = picture.make(frame, Result(reply, []), 640)
    assert told["masks"] is None
    assert "cannot be read" in told["notes"][0]
    assert jpeg
