"""Streams of both clients, against a node that does as it is told."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from maskbus_client import AsyncClient, Client
from maskbus_client.errors import (
    ClientClosed,
    DeadlineExceeded,
    InvalidValue,
    NodeUnreachable,
    ProtocolError,
    UnknownStream,
    UnsupportedPrompt,
)
from maskbus_client.frame import Frame, FrameFilter
from maskbus_client.results import Result
from maskbus_wire import replies, requests
from maskbus_wire.frames import encode
from maskbus_wire.prompts import Image

PICTURE = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
PATIENCE = 10.0


class Both:
    """Either client, called in the same way: the asyncio one runs in a loop of its own thread."""

    def __init__(self, kind: str, endpoint: str, **options: Any) -> None:
        self._loop = asyncio.new_event_loop() if kind == "async" else None
        self._client: Any = self._make(AsyncClient if self._loop else Client, endpoint, options)

    def _make(self, kind: Any, endpoint: str, options: dict[str, Any]) -> Any:
        return kind(endpoint, **options)

    def run(self, found: Any) -> Any:
        if self._loop is not None and inspect.isawaitable(found):
            return self._loop.run_until_complete(found)
        return found

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **options: self.run(getattr(self._client, name)(*args, **options))

    def end(self) -> None:
        self.run(self._client.close())
        if self._loop is not None:
            self._loop.close()


@pytest.fixture(params=["blocking", "async"])
def client(request, node):
    both = Both(request.param, node.endpoint, deadline=PATIENCE)
    yield both
    both.end()


def sent(client: Both, stream: Any, **options: Any) -> None:
    """Send a frame, and again, should the connection not be there yet."""
    end = time.monotonic() + PATIENCE
    while not client.run(stream.send(PICTURE, **options)):
        assert time.monotonic() < end
        client.run(stream.check())
        time.sleep(0.005)


def test_a_stream_is_opened_as_it_was_asked_for(client, node):
    mask = np.zeros((6, 8), np.bool_)
    mask[2:4, 1:5] = True
    stream = client.stream(
        "front",
        model="fake",
        objects={1: {"points": (3, 4), "labels": 1}, 2: {"box": (1, 2, 5, 6)}, 3: {"mask": mask}, 4: {"mask": mask}},
        encoding=["rle", "bits"],
        policy="sample",
        max_fps=5,
        max_age=0.25,
        age_from="stamp",
        always=True,
        idle=1.5,
        options={"a": 1},
        deadline=2,
    )
    (asked,) = node.asked("stream.open")
    plain = dict(asked.plain)
    del plain["maskbus"], plain["id"]
    objects = plain.pop("objects")
    assert plain == {
        "op": "stream.open",
        "stream": "front",
        "model": "fake",
        "prompt": {},
        "track": True,
        "encodings": ["rle", "bits"],
        "policy": "sample",
        "max_fps": 5.0,
        "max_age_ms": 250,
        "age_from": "stamp",
        "deadline_ms": 2000,
        "always": True,
        "idle_ms": 1500,
        "options": {"a": 1},
    }
    assert objects[:2] == [
        {"object_id": 1, "prompt": {"points": [[3.0, 4.0]], "labels": [1]}},
        {"object_id": 2, "prompt": {"boxes": [[1.0, 2.0, 5.0, 6.0]]}},
    ]
    assert [one["prompt"]["mask"]["attachment"] for one in objects[2:]] == [0, 1]
    assert len(asked.attachments) == 2
    assert (stream.name, stream.model, stream.topic) == ("front", "fake", "masks/front/fake")
    assert (stream.frames_topic, stream.limit) == ("frames/front", None)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"name": "a/b"}, InvalidValue),
        ({"name": 5}, TypeError),
        ({"model": 5}, TypeError),
        ({"policy": "oldest"}, ValueError),
        ({"age_from": "now"}, ValueError),
        ({"color": "cmyk"}, ValueError),
        ({"encoding": "gif"}, ValueError),
        ({"policy": "sample"}, ValueError),
        ({"max_fps": 5}, InvalidValue),
        ({"max_waiting": 0}, InvalidValue),
        ({"max_age": 0}, InvalidValue),
        ({"idle": float("nan")}, ValueError),
        ({"deadline": float("inf")}, ValueError),
        ({"points": (1, 2), "track": True}, InvalidValue),
        ({"objects": [1]}, TypeError),
        ({"objects": {"a": {"points": (1, 2)}}}, TypeError),
        ({"objects": {1: (1, 2)}}, TypeError),
        ({"objects": {1: {"text": "cup"}}}, ValueError),
        ({"objects": {1: {}}}, InvalidValue),
        ({"objects": {-1: {"points": (1, 2)}}}, InvalidValue),
        ({"objects": {1: {"points": (1, 2), "mask": np.ones((2, 2), np.bool_)}}}, InvalidValue),
    ],
)
def test_what_cannot_be_is_found_before_anything_is_sent(wrong, error, client, node):
    given = {"name": "front", **wrong}
    with pytest.raises(error):
        client.stream(given.pop("name"), **given)
    assert node.asked("stream.open") == []


def test_frames_come_with_what_they_were_sent_with(client, node):
    stream = client.stream("front", color="bgr")
    sent(client, stream, stamp=7, frame_id="cam", seq=3)
    frame = node.frames.get(timeout=PATIENCE)
    assert frame.attachments == [PICTURE.tobytes()]
    assert frame.plain["image"] == {"attachment": 0, "encoding": "bgr8", "width": 8, "height": 6}
    assert [frame.plain[name] for name in ("stream", "stamp", "frame_id", "seq")] == ["front", 7, "cam", 3]
    assert (frame.id, "ack" in frame.plain) == ("", False)
    assert client.run(stream.close()).received == stream.sent


def test_an_array_may_change_once_it_has_been_sent(client, node):
    stream, picture = client.stream("front", policy="every"), PICTURE.copy()
    client.run(stream.send(picture))
    picture[:] = 0
    assert node.frames.get(timeout=PATIENCE).attachments == [PICTURE.tobytes()]


def test_changes_say_only_what_changes(client, node):
    stream = client.stream("front", track=True)
    client.run(stream.update(encoding="png", max_age=0, always=False, options={}, remove=(1, 2)))
    client.run(stream.add(5, box=(1, 2, 3, 4)))
    client.run(stream.remove(5))
    client.run(stream.update())
    plain = [dict(asked.plain) for asked in node.asked("stream.update")]
    for one in plain:
        del one["maskbus"], one["id"], one["op"], one["stream"]
    assert plain == [
        {"remove": [1, 2], "encodings": ["png"], "max_age_ms": 0, "always": False, "options": {}},
        {"objects": [{"object_id": 5, "prompt": {"boxes": [[1.0, 2.0, 3.0, 4.0]]}}]},
        {"remove": [5]},
        {},
    ]


def test_a_prompt_for_every_frame_changes(client, node):
    stream = client.stream("front", points=(1, 2))
    client.run(stream.update(text="cup", negative_text=["glass"]))
    client.run(stream.update(points=[]))
    prompts = [asked.plain["prompt"] for asked in node.asked("stream.update")]
    assert prompts == [{"text": ["cup"], "negative_text": ["glass"]}, {}]
    with pytest.raises(TypeError):
        client.run(stream.update(remove=["a"]))
    with pytest.raises(TypeError):
        client.run(stream.update(mask=np.ones((2, 2), np.bool_)))


def test_a_node_that_is_restarted_gets_the_stream_again(client, node, start):
    stream = client.stream("front", points=(1, 2))
    sent(client, stream)
    client.run(stream.update(points=(3, 4)))
    fresh = node.restart()
    try:
        end = time.monotonic() + PATIENCE
        while not fresh.streams.get("front"):
            assert time.monotonic() < end
            client.run(stream.send(PICTURE))
            time.sleep(0.005)
        client.run(stream.check())
        assert (stream.reopened, stream.errors) == (1, 0)
        assert stream.lost >= 1
        assert fresh.asked("stream.open")[0].plain["prompt"] == {"points": [[3.0, 4.0]]}
        seqs = [frame.plain["seq"] for frame in fresh.asked("stream.frame")]
        assert seqs == sorted(seqs)
        client.run(stream.close())
    finally:
        fresh.stop()


def test_a_node_that_is_restarted_while_credit_is_waited_for(client, node):
    stream = client.stream("front", policy="every", max_waiting=2)
    for _ in range(2):
        assert client.run(stream.send(PICTURE))
        node.frames.get(timeout=PATIENCE)
    fresh = node.restart()
    try:
        assert client.run(stream.send(PICTURE))
        assert fresh.frames.get(timeout=PATIENCE).plain["seq"] == 2
        assert stream.reopened == 1
        fresh.streams.clear()
        assert client.run(stream.close()) == replies.StreamCounts()
    finally:
        fresh.stop()


def test_every_waits_for_credit(client, node):
    stream = client.stream("front", policy="every", max_waiting=1)
    assert client.run(stream.send(PICTURE))
    first = node.frames.get(timeout=PATIENCE)
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="No frame of the stream 'front' was done with"):
        client.run(stream.send(PICTURE, timeout=0.05))
    assert time.monotonic() - began >= 0.05
    node.do(lambda: node.send(first, replies.StreamCredit(stream="front", limit=2)))
    assert client.run(stream.send(PICTURE))
    # The frame that was not sent has left a gap.
    assert node.frames.get(timeout=PATIENCE).plain["seq"] == 2
    node.do(lambda: node.send(first, replies.StreamCredit(stream="front", limit=3)))
    assert client.run(stream.close()).received == 2


def test_newest_drops_what_nobody_takes(client, node):
    stream = client.stream("front")
    node.stop()
    large = np.zeros((720, 1280, 3), np.uint8)  # more than the system's own buffers take
    found = [client.run(stream.send(large)) for _ in range(20)]
    assert not found[-1]
    assert stream.dropped == found.count(False)
    assert stream.sent == found.count(True)


def test_every_says_that_the_connection_takes_nothing(client, node):
    stream = client.stream("front", policy="every", max_waiting=64)
    node.stop()

    large = np.zeros((720, 1280, 3), np.uint8)  # more than the system's own buffers take

    def fill() -> None:
        for _ in range(64):
            client.run(stream.send(large, timeout=0.05))

    with pytest.raises(DeadlineExceeded, match="The connection took no frame"):
        fill()


def test_errors_about_earlier_frames_are_raised_by_check_alone(client, node):
    stream = client.stream("front")
    sent(client, stream)
    frame = node.frames.get(timeout=PATIENCE)
    node.do(lambda: node.send(frame, replies.Error(code="unsupported_prompt", message="No.", stream="front", seq=0)))
    end = time.monotonic() + PATIENCE
    while not stream.errors:
        assert time.monotonic() < end
        client.run(stream.send(PICTURE))
        time.sleep(0.005)
    with pytest.raises(UnsupportedPrompt):
        client.run(stream.check())
    client.run(stream.check())
    assert stream.errors == 1


def test_streams_are_listed_and_closed_by_anybody(client, node):
    stream = client.stream("front")
    client.stream("rear")
    assert [info.stream for info in client.streams()] == ["front", "rear"]
    assert client.run(stream.info()).stream == "front"
    assert client.close_stream("front") == replies.StreamCounts()
    with pytest.raises(UnknownStream):
        client.close_stream("front")
    with pytest.raises(UnknownStream, match="knows no stream 'front'"):
        client.run(stream.info())
    with pytest.raises(UnknownStream):
        client.run(stream.update(always=True))
    assert client.run(stream.close()) == replies.StreamCounts()


def test_a_closed_stream_takes_no_frame(client, node):
    stream = client.stream("front")
    counts = client.run(stream.close())
    assert client.run(stream.close()) is counts
    assert len(node.asked("stream.close")) == 1
    with pytest.raises(ValueError, match="has been closed"):
        client.run(stream.send(PICTURE))
    assert "closed" in repr(stream)


def test_a_closed_client_closes_its_streams(client, node):
    stream = client.stream("front")
    client.close()
    with pytest.raises(ClientClosed):
        client.run(stream.send(PICTURE))
    assert client.run(stream.close()) == replies.StreamCounts()
    assert node.asked("stream.close") == []


def test_a_frame_that_waits_in_a_thread_ends_with_the_client(node):
    with Client(node.endpoint) as client, ThreadPoolExecutor(1) as pool:
        stream = client.stream("front", policy="every", max_waiting=1)
        stream.send(PICTURE)
        waits = pool.submit(stream.send, PICTURE)
        node.frames.get(timeout=PATIENCE)
        client.close()
        with pytest.raises(ClientClosed):
            waits.result(PATIENCE)


def test_a_frame_that_waits_in_a_thread_ends_with_the_stream(node):
    with Client(node.endpoint, deadline=0.5) as client, ThreadPoolExecutor(1) as pool:
        stream = client.stream("front", policy="every", max_waiting=1)
        stream.send(PICTURE)
        node.frames.get(timeout=PATIENCE)
        waits = pool.submit(stream.send, PICTURE, timeout=60)
        stream.close()
        with pytest.raises(ValueError, match="has been closed"):
            waits.result(PATIENCE)


def test_a_with_block_closes_and_lets_errors_through(node):
    with Client(node.endpoint) as client:
        with pytest.raises(ZeroDivisionError), client.stream("front"):
            raise ZeroDivisionError
        assert len(node.asked("stream.close")) == 1

    async def go() -> None:
        async with AsyncClient(node.endpoint) as client:
            with pytest.raises(ZeroDivisionError):
                async with await client.stream("front"):
                    raise ZeroDivisionError

    asyncio.run(go())
    assert len(node.asked("stream.close")) == 2


def test_a_node_that_is_gone_is_said_to_be_and_nothing_is_left_open(node):
    with Client(node.endpoint, deadline=0.4, retries=0) as client:
        stream = client.stream("front")
        node.stop()
        with pytest.raises((NodeUnreachable, DeadlineExceeded)):
            stream.close()
        with pytest.raises(ValueError, match="has been closed"):
            stream.send(PICTURE)


def test_streams_start_no_thread(node):
    with Client(node.endpoint) as client:
        before = threading.active_count()
        streams = [client.stream(f"camera{i}") for i in range(5)]
        for stream in streams:
            stream.send(PICTURE)
        assert threading.active_count() == before


def test_a_change_is_not_asked_twice_because_the_model_takes_its_time(node):
    with Client(node.endpoint) as client:
        stream = client.stream("front", track=True)
        answer = node.answer

        def late(asked: Any) -> None:
            if asked.op == "stream.update":
                timer = threading.Timer(1.6, lambda: node.do(lambda: answer(asked)))
                timer.start()
            else:
                answer(asked)

        node.answer = late
        stream.add(1, points=(1, 2))
        assert len(node.asked("stream.update")) == 1


def published(number: int, image: Image, *attachments: bytes, stream: str = "front") -> list[Any]:
    reply = replies.PublishedFrame(
        stream=stream, topic=f"frames/{stream}", image=image, seq=number, stamp=5, frame_id="c"
    )
    return [reply.topic.encode(), *encode(reply, attachments)]


RAW = Image(attachment=0, encoding="rgb8", width=8, height=6)


def test_frames_are_subscribed_to(client, node):
    stream = client.stream("front")
    subscription = client.run(stream.frames(newest=False, timeout=PATIENCE))

    def receive() -> Frame:
        found: Frame = (
            client.run(subscription.__anext__()) if hasattr(subscription, "__anext__") else next(subscription)
        )
        return found

    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(receive)
        assert node.subscribed.get(timeout=PATIENCE) == b"\x01frames/front"
        for one in (published(0, RAW, PICTURE.tobytes(), stream="front2"), published(1, RAW, PICTURE.tobytes())):
            node.do(lambda one=one: node.xpub.send_multipart(one))
        frame = waits.result(PATIENCE)
    assert (frame.stream, frame.seq, frame.stamp, frame.frame_id, frame.encoding) == ("front", 1, 5, "c", "rgb8")
    np.testing.assert_array_equal(frame.image, PICTURE)
    assert bytes(frame.data) == PICTURE.tobytes()
    client.run(subscription.close())


def test_frames_show_what_was_sent():
    rows = np.pad(PICTURE.reshape(6, 24), ((0, 0), (0, 4)))
    layouts = {
        Image(attachment=0, encoding="rgb8", width=8, height=6): (PICTURE, PICTURE),
        Image(attachment=0, encoding="bgr8", width=8, height=6): (PICTURE[:, :, ::-1], PICTURE),
        Image(attachment=0, encoding="rgb8", width=8, height=6, step=28): (rows, PICTURE),
        Image(attachment=0, encoding="mono8", width=8, height=6): (
            PICTURE[:, :, 0],
            np.repeat(PICTURE[:, :, :1], 3, axis=2),
        ),
    }
    for image, (layout, shown) in layouts.items():
        frame = FrameFilter("front").read(published(0, image, layout.tobytes()))
        assert frame is not None
        np.testing.assert_array_equal(frame.image, shown)
        assert not frame.image.flags.writeable
        assert frame.image is frame.image


@pytest.mark.parametrize(
    ("image", "data"),
    [
        (RAW, b"short"),
        (Image(attachment=0, encoding="jpeg"), b"no picture"),
        (Image(attachment=0, encoding="rgb8"), b"no size"),
        (Image(attachment=0, encoding="rgb8", width=10**9, height=10**9), b"too large"),
        (Image(attachment=0, encoding="yuv", width=8, height=6), b"unknown"),
    ],
)
def test_a_frame_that_is_none_is_said_to_be(image, data):
    frame = FrameFilter("front").read(published(0, image, data))
    assert frame is not None
    with pytest.raises(ProtocolError):
        frame.image  # noqa: B018


@pytest.mark.parametrize(
    "parts",
    [
        [b"frames/front"],
        [b"frames/front", b"\xc1"],
        [b"frames/front", *encode(replies.Released())],
        published(0, RAW),
    ],
)
def test_published_frames_that_cannot_be_read(parts):
    with pytest.raises(ProtocolError):
        FrameFilter("front").read(parts)
    assert FrameFilter("rear").read(parts) is None


def test_a_stream_is_named_or_its_topic_is():
    assert FrameFilter("front").wanted == FrameFilter("frames/front").wanted == b"frames/front"
    for wrong in ("", "a/b", "a:b", "frames/", "masks/front"):
        with pytest.raises(ValueError, match="stream"):
            FrameFilter(wrong)
    with pytest.raises(TypeError):
        FrameFilter(5)  # type: ignore[arg-type]


def test_results_tell_of_their_stream():
    counts = replies.StreamCounts(received=9, answered=7, dropped={"newer": 1})
    mask = replies.Mask(bbox=(0, 0, 1, 1), area=1, predicted_iou=1.0, stability_score=1.0, object_id=4, present=False)
    result = Result(replies.Masks(model="m", width=2, height=2, masks=[mask], counts=counts), [])
    assert result.counts is counts
    assert (result[0].object_id, result[0].present) == (4, False)
    assert "object_id=4" in repr(result[0])
    plain = Result(replies.Masks(model="m", width=2, height=2, masks=[]), [])
    assert plain.counts is None


def test_help_shows_what_is_returned():
    shown = inspect.signature(Client.stream)
    assert shown.return_annotation == "Stream"
    assert inspect.signature(AsyncClient.stream).return_annotation == "AsyncStream"
    fields = {field for field in requests.StreamOpen.__struct_fields__ if field not in ("maskbus", "id", "inline")}
    known = {"stream": "name", "prompt": "points", "encodings": "encoding", "max_age_ms": "max_age"}
    known |= {"deadline_ms": "deadline", "idle_ms": "idle"}
    assert {known.get(field, field) for field in fields} <= set(shown.parameters)
