"""Sources against what they are for: imagezmq's own senders, messages as LeRobot's server makes them, a web camera."""

from __future__ import annotations

import base64
import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
import zmq

from maskbus.adapters.sources import find, video_device
from maskbus.adapters.sources.backoff import Backoff
from maskbus.adapters.sources.imagezmq import ImagezmqHub, ImagezmqPublisher
from maskbus.adapters.sources.source import Captured, Source
from support import waiting

imagezmq = pytest.importorskip("imagezmq", reason="imagezmq is not installed")

RED_BGR = np.zeros((48, 64, 3), np.uint8)
RED_BGR[:] = (0, 0, 200)


def jpeg(bgr: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", bgr)[1].tobytes()


class Taken:
    """What a source gives, taken by a thread."""

    def __init__(self, source: Source) -> None:
        self.frames: list[Captured] = []
        self.thread = threading.Thread(target=self._take, args=(source,))
        self.thread.start()

    def _take(self, source: Source) -> None:
        self.frames.extend(source.frames())

    def cameras(self) -> set[str]:
        return {frame.camera for frame in list(self.frames)}


@contextmanager
def taken(source: Source) -> Iterator[Taken]:
    took = Taken(source)
    try:
        yield took
    finally:
        source.close()
        took.thread.join(10)
        assert not took.thread.is_alive()


@contextmanager
def hub(told: list[str]) -> Iterator[tuple[ImagezmqHub, str]]:
    with ImagezmqHub("127.0.0.1", 0, told.append) as source:
        assert isinstance(source, ImagezmqHub)
        yield source, source.endpoint


def test_many_senders_each_with_a_name_of_its_own() -> None:
    told: list[str] = []
    with hub(told) as (source, endpoint), taken(source) as took:
        replies: list[bytes] = []

        def send(name: str) -> None:
            with imagezmq.ImageSender(connect_to=endpoint) as sender:
                for number in range(10):
                    picture = np.full((48, 64, 3), number, np.uint8)
                    even = number % 2 == 0
                    replies.append(sender.send_image(name, picture) if even else sender.send_jpg(name, jpeg(picture)))

        threads = [threading.Thread(target=send, args=(f"pi {number}",)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert replies == [b"OK"] * 30
        waiting.until(lambda: len(took.frames) + source.skipped == 30, "all frames are taken or counted")
        assert took.cameras() == {"pi 0", "pi 1", "pi 2"}
        last = [frame for frame in took.frames if frame.camera == "pi 1"][-1]
        assert isinstance(last.image, bytes)
        assert last.stamp is not None
        assert abs(last.stamp - time.time_ns()) < 60e9
    assert told == []


def test_a_sender_is_answered_though_nobody_takes_its_frames() -> None:
    with hub([]) as (source, endpoint):
        next_frame = source.frames()
        with imagezmq.ImageSender(connect_to=endpoint) as sender:
            sender.zmq_socket.rcvtimeo = 20_000
            first = threading.Thread(target=lambda: next(next_frame))
            first.start()
            for _ in range(20):
                assert sender.send_image("front", RED_BGR) == b"OK"
            first.join(10)
            assert source.skipped >= 17


def test_what_is_no_frame_is_answered_counted_and_told_of_once() -> None:
    told: list[str] = []
    with hub(told) as (source, endpoint), taken(source) as took, zmq.Context() as context:
        with context.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.rcvtimeo = 20_000
            socket.connect(endpoint)
            bad = [
                [b"hello"],
                [b"{}", b""],
                [b'{"msg": "a", "dtype": "float64", "shape": [1, 1]}', b"x" * 8],
                [b""] * 900,
            ]
            for parts in bad:
                socket.send_multipart(parts)
                assert socket.recv() not in (b"OK", b"")
        with imagezmq.ImageSender(connect_to=endpoint) as sender:
            assert b"uint8" in sender.send_image("front", RED_BGR.astype(np.float32))
            assert sender.send_image("front", RED_BGR) == b"OK"
        waiting.until(lambda: len(took.frames) == 1, "the good one is taken")
        assert source.unreadable == 5
    assert len(told) == 1
    assert "Others like it are only counted." in told[0]


def test_a_port_that_is_taken_is_said_to_be() -> None:
    from maskbus.adapters.sources.source import SourceFailed

    with hub([]) as (_, endpoint), pytest.raises(SourceFailed, match="in use"):
        find.find(endpoint.replace("tcp", "imagezmq"), lambda sentence: None)


@pytest.mark.parametrize("raw", [True, False])
def test_a_sender_that_publishes(raw: bool) -> None:
    sender = imagezmq.ImageSender(connect_to="tcp://127.0.0.1:*", REQ_REP=False)
    endpoint = sender.zmq_socket.getsockopt_string(zmq.LAST_ENDPOINT)
    with sender, find.find(endpoint.replace("tcp", "imagezmq+sub"), lambda sentence: None) as source:
        assert isinstance(source, ImagezmqPublisher)
        with taken(source) as took:

            def arrived() -> bool:
                if raw:
                    sender.send_image("front", RED_BGR)
                else:
                    sender.send_jpg("front", jpeg(RED_BGR))
                return bool(took.frames)

            waiting.until(arrived, "a frame comes")
        frame = took.frames[0]
        assert frame.camera == "front"
        assert np.array_equal(frame.image, RED_BGR) if raw else frame.image == jpeg(RED_BGR)


@pytest.mark.parametrize("camera", ["", "/wrist"])
def test_lerobots_cameras(camera: str) -> None:
    with zmq.Context() as context, context.socket(zmq.PUB) as server:
        server.linger = 0
        port = server.bind_to_random_port("tcp://127.0.0.1")
        rgb = np.ascontiguousarray(RED_BGR[:, :, ::-1])
        images = {name: base64.b64encode(jpeg(rgb)).decode() for name in ("head", "wrist")}
        text = json.dumps({"timestamps": dict.fromkeys(images, 1_700_000_000.5), "images": images})
        source = find.find(f"lerobot://127.0.0.1:{port}{camera}", lambda sentence: None)
        wanted = {""} if camera else {"head", "wrist"}
        with taken(source) as took:

            def arrived() -> bool:
                server.send_string(text)
                return took.cameras() == wanted

            waiting.until(arrived, "all cameras' frames come")
        assert source.name == (camera.strip("/") or "lerobot")
        assert took.frames[0].stamp == 1_700_000_000_500_000_000
        assert took.frames[0].color == "rgb"
        assert np.abs(np.asarray(took.frames[0].image).astype(int) - rgb).max() < 12


class WebCamera(http.server.BaseHTTPRequestHandler):
    """Send JPEG files one after the other, so many to each who asks, and hang up."""

    frames = 12
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            for _ in range(self.frames):
                data = jpeg(RED_BGR)
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n")
                self.wfile.write(f"Content-Length: {len(data)}\r\n\r\n".encode() + data + b"\r\n")
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


def test_a_camera_on_the_network_that_hangs_up_is_connected_to_again(monkeypatch: pytest.MonkeyPatch) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), WebCamera)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    told: list[str] = []
    monkeypatch.setattr(video_device, "Backoff", lambda: Backoff(first=0.01, most=0.05))
    try:
        with find.find(f"http://me:secret@127.0.0.1:{server.server_port}/live.mjpg", told.append) as source:
            assert source.live
            assert source.name == "127.0.0.1"
            with taken(source) as took:
                waiting.until(lambda: sum("is back" in sentence for sentence in list(told)) >= 2, "it is back twice")
        assert took.frames[0].image.shape == RED_BGR.shape
        assert not any("secret" in sentence for sentence in told)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
