"""What others send, read byte by byte; and what is none of it."""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from maskbus.adapters.sources import imagezmq_message
from maskbus.adapters.sources.lerobot import LerobotServer
from maskbus.adapters.sources.source import Captured, SourceFailed
from maskbus.adapters.sources.zmq_source import BadMessage, host_and_port

RED_BGR = np.zeros((24, 32, 3), np.uint8)
RED_BGR[:] = (0, 0, 200)


def jpeg(bgr: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def header(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize("shape", [(24, 32), (24, 32, 1), (24, 32, 3), (24, 32, 4)])
def test_an_array(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    parts = [header(msg="front", dtype="uint8", shape=shape), array.tobytes()]
    frame = imagezmq_message.read(parts, 77)
    assert isinstance(frame.image, np.ndarray)
    assert np.array_equal(frame.image, array)
    assert (frame.camera, frame.stamp, frame.color) == ("front", 77, "bgr")


def test_a_jpeg_stays_what_it_is() -> None:
    data = jpeg(RED_BGR)
    frame = imagezmq_message.read([header(msg=7), data], 77)
    assert frame.image == data
    assert frame.camera == "7"


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([], "2 parts"),
        ([b"{}"], "2 parts"),
        ([header(msg="a"), b"", b""], "2 parts"),
        ([b"front", b"x"], "no JSON object"),
        ([b"[1]", b"x"], "no JSON object"),
        ([b"\xff\xfe", b"x"], "no JSON object"),
        ([b"[" * 30_000, b"x"], "no JSON object"),
        ([b"1" * 70_000, b"x"], "header of 70000 bytes"),
        ([b"{}", b"x"], "no text named msg"),
        ([header(msg=["a"]), b"x"], "no text named msg"),
        ([header(msg="a"), b"x"], "neither an array nor a JPEG"),
        ([header(msg="a"), b"\xff\xd8\xff"], "neither an array nor a JPEG"),
        ([header(msg="a", dtype="float32", shape=[2, 2]), b"x" * 16], "uint8, not float32"),
        ([header(msg="a", dtype="uint8"), b"x"], "shape is"),
        ([header(msg="a", dtype="uint8", shape=[4]), b"xxxx"], "shape is"),
        ([header(msg="a", dtype="uint8", shape=[2, 2, 2]), b"x" * 8], "shape is"),
        ([header(msg="a", dtype="uint8", shape=[-2, -2]), b"xxxx"], "shape is"),
        ([header(msg="a", dtype="uint8", shape=[2, 2.0]), b"xxxx"], "shape is"),
        ([header(msg="a", dtype="uint8", shape=[True, 4]), b"xxxx"], "shape is"),
        ([header(msg="a", dtype="uint8", shape=[2, 2, 3]), b"xxxx"], "does not have 4 bytes"),
        ([header(msg="a", dtype="uint8", shape=[2**62, 4]), b""], "too large"),
        ([header(msg="a", dtype="uint8", shape=[2**31, 2**31]), b""], "too large"),
    ],
)
def test_what_is_no_message_is_said_to_be_none(parts: list[bytes], words: str) -> None:
    with pytest.raises(BadMessage, match=words):
        imagezmq_message.read(parts, 0)


def test_noise_is_no_message() -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    good = [header(msg="front", dtype="uint8", shape=[4, 4, 3]), bytes(48)]
    for _ in range(2000):
        parts = [bytearray(part) for part in good]
        for _ in range(chance.randint(1, 4)):
            part = chance.choice(parts)
            part[chance.randrange(len(part))] = chance.randrange(256)
        if chance.random() < 0.3:
            del parts[-1][chance.randrange(48) :]
        try:
            frame = imagezmq_message.read([bytes(part) for part in parts], 0)
        except BadMessage:
            continue
        assert isinstance(frame, Captured)


@pytest.fixture
def server() -> Iterator[LerobotServer]:
    with LerobotServer("127.0.0.1", 1, "", lambda sentence: None) as source:
        assert isinstance(source, LerobotServer)
        yield source


def message(**images: bytes) -> list[bytes]:
    """Make one as LeRobot's server does."""
    encoded = {name: base64.b64encode(data).decode() for name, data in images.items()}
    stamps = dict.fromkeys(images, 1700000000.25)
    return [json.dumps({"timestamps": stamps, "images": encoded}).encode()]


def test_lerobot_holds_all_cameras_and_red_is_red(server: LerobotServer) -> None:
    # The server hands RGB to an encoder of BGR: red pixels go into the file as blue ones.
    red_rgb = np.ascontiguousarray(RED_BGR[:, :, ::-1])
    head, wrist = server._frames_in(message(head=jpeg(red_rgb), wrist=jpeg(red_rgb)))
    assert (head.camera, wrist.camera) == ("head", "wrist")
    assert head.stamp == 1_700_000_000_250_000_000
    assert head.color == "rgb"
    assert isinstance(head.image, np.ndarray)
    assert np.abs(head.image.astype(int) - red_rgb).max() < 12


def test_lerobot_as_sent() -> None:
    data = jpeg(RED_BGR)
    with LerobotServer("127.0.0.1", 1, "head", lambda sentence: None, swap=False) as source:
        assert isinstance(source, LerobotServer)
        (frame,) = source._frames_in(message(head=data, wrist=data))
        assert frame.image == data
        assert frame.camera == ""
        with pytest.raises(BadMessage, match="no camera 'head' there, but wrist"):
            source._frames_in(message(wrist=data))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([b"x", b"y"], "one part"),
        ([b"x"], "no JSON object"),
        ([b"[]"], "no JSON object"),
        ([b'{"images": []}'], "no JSON object"),
        ([b'{"images": {"a": 1}}'], "no JPEG file in Base64"),
        ([b'{"images": {"a": "!"}}'], "no JPEG file in Base64"),
        ([b'{"images": {"a": "\\u20ac"}}'], "no JPEG file in Base64"),
        ([b'{"images": {"a": "eHh4"}}'], "no JPEG file in Base64"),
        (message(a=jpeg(RED_BGR)[:-4]), "a jpeg file of 32 × 24 pixels"),
        (message(**{f"c{i}": b"" for i in range(33)}), "33 cameras"),
    ],
)
def test_what_lerobot_does_not_send(server: LerobotServer, parts: list[bytes], words: str) -> None:
    with pytest.raises(BadMessage, match=words):
        server._frames_in(parts)


@pytest.mark.parametrize("stamp", [None, "x", float("nan"), float("inf"), -1, 1e30, [1]])
def test_a_time_that_is_none_is_now(server: LerobotServer, stamp: object) -> None:
    plain = {"timestamps": {"a": stamp}, "images": {"a": base64.b64encode(jpeg(RED_BGR)).decode()}}
    (frame,) = server._frames_in([json.dumps(plain).encode()])
    assert frame.stamp is not None
    assert abs(frame.stamp - time.time_ns()) < 60e9


def test_hosts_and_ports() -> None:
    form = "imagezmq://HOST:PORT"
    assert host_and_port("imagezmq://robot:5555", form=form) == ("robot", 5555, "")
    assert host_and_port("lerobot://[::1]:5555/head_camera", form=form) == ("::1", 5555, "head_camera")
    for wrong in (
        "imagezmq://",
        "imagezmq://robot",
        "imagezmq://robot:x",
        "imagezmq://robot:70000",
        "imagezmq://a:1?b",
    ):
        with pytest.raises(SourceFailed, match="this kind of source is"):
            host_and_port(wrong, form=form)
