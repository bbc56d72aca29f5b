"""The blocking client against a fake node: what the transport adds to the rules of the core."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import zmq

from maskbus_client import Client
from maskbus_client.errors import (
    Busy,
    Cancelled,
    ClientClosed,
    DeadlineExceeded,
    InvalidValue,
    NodeUnreachable,
    ProtocolError,
    UnknownImage,
)
from maskbus_wire import bits, replies


def test_a_segmentation(node: Any, picture: np.ndarray):
    with Client(node.endpoint) as client:
        result = client.segment(
            picture, points=(1, 2), model="m", stamp=5, frame_id="f", stream="s", seq=9, options={"a": 1}, publish="t"
        )
    assert np.array_equal(result[0].to_array(), np.arange(8) < np.full((6, 8), 4))
    assert (result.stamp, result.frame_id, result.stream, result.seq) == (5, "f", "s", 9)
    asked = node.asked("segment")[0]
    assert asked.attachments == [picture.tobytes()]
    assert asked.plain["image"] == {"attachment": 0, "encoding": "rgb8", "width": 8, "height": 6}
    assert asked.plain["prompt"] == {"points": [[1.0, 2.0]]}
    assert (asked.plain["model"], asked.plain["options"], asked.plain["publish"]) == ("m", {"a": 1}, "t")
    assert 29_000 < asked.plain["deadline_ms"] <= 30_000
    assert len(asked.id) == 32
    assert result.overlay().shape == (6, 8, 3)


def test_everything_that_can_be_asked(node: Any):
    with Client(node.endpoint) as client:
        assert client.ping().node == node.name
        assert client.describe().limits == {"points": 9}
        assert client.stats().models[0].name == "fake"
        assert client.cancel("x") == 1
        assert client.endpoint == node.endpoint
        assert "tcp" in repr(client)
    assert node.asked("cancel")[0].plain["target"] == "x"


def test_mask_prompts_follow_the_image(node: Any, picture: np.ndarray):
    mask = np.eye(6, 8, dtype=bool)
    with Client(node.endpoint) as client:
        client.segment(picture, mask=mask, encoding=())
    asked = node.asked("segment")[0]
    assert asked.plain["prompt"]["mask"] == {"encoding": "bits+zlib", "attachment": 1}
    assert np.array_equal(bits.unpack_zlib(asked.attachments[1], 6, 8), mask)
    assert asked.plain["encodings"] == []


def test_large_images_and_masks_cross_whole(node: Any):
    image = np.random.default_rng(0).integers(0, 256, (600, 800, 3), np.uint8)
    with Client(node.endpoint) as client:
        for _ in range(3):
            result = client.segment(image, encoding=["raw", "bits"])
            assert isinstance(result[0].bytes("raw"), memoryview)
            assert result[0].to_array().sum() == 600 * 400
    assert all(asked.attachments == [image.tobytes()] for asked in node.asked("segment"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"encoding": "gif"},
        {"encoding": ["rle", "rle"]},
        {"points": (8, 2)},
        {"box": (0, 0, 9, 5)},
        {"publish": "a:b"},
        {"publish": ""},
        {"lane": "fast"},
        {"deadline": 0},
        {"model": "m" * 300},
        {"id": ""},
        {"seq": 2**63},
        {"boxes": [(0, 0, 1, 1), (1, 1, 2, 2)], "points": (1, 1)},
    ],
)
def test_what_cannot_be_right_is_not_sent(node: Any, picture: np.ndarray, wrong: dict[str, Any]):
    with Client(node.endpoint) as client:
        with pytest.raises(ValueError, match=r"\w"):
            client.segment(picture, **wrong)
        assert client.ping()
    assert not node.asked("segment")


@pytest.mark.parametrize("wrong", [{"model": 5}, {"stamp": 1.5}, {"frame_id": 5}, {"options": {"a": object()}}])
def test_what_has_the_wrong_type_is_not_sent(node: Any, picture: np.ndarray, wrong: dict[str, Any]):
    with Client(node.endpoint) as client, pytest.raises(TypeError):
        client.segment(picture, **wrong)
    assert not node.asked("segment")


def test_a_client_with_impossible_settings():
    with pytest.raises(ValueError, match="endpoint"):
        Client("localhost")
    with pytest.raises(ValueError, match="deadline"):
        Client(deadline=0)


def test_errors_of_the_node(node: Any, acts: Any, picture: np.ndarray):
    node.scripts.append(acts.error("invalid_value", path="prompt.points[0]"))
    with Client(node.endpoint) as client, pytest.raises(InvalidValue) as caught:
        client.segment(picture)
    assert caught.value.path == "prompt.points[0]"


def test_busy_then_well(node: Any, acts: Any, picture: np.ndarray):
    node.scripts.extend([acts.error("busy", queue_length=7)] * 2)
    with Client(node.endpoint) as client:
        assert len(client.segment(picture)) == 1
    assert len({asked.id for asked in node.asked("segment")}) == 1
    assert len(node.asked("ping")) == 1


def test_busy_for_good(node: Any, acts: Any, picture: np.ndarray):
    node.scripts.extend([acts.error("busy", queue_length=7)] * 9)
    with Client(node.endpoint, retries=1) as client, pytest.raises(Busy) as caught:
        client.segment(picture)
    assert caught.value.queue_length == 7
    assert len(node.asked("segment")) == 2


def test_a_lost_reply(node: Any, acts: Any, picture: np.ndarray):
    node.scripts.append(acts.silent)
    with Client(node.endpoint, deadline=1.0) as client:
        assert len(client.segment(picture)) == 1
    first, second = node.asked("segment")
    assert first.id == second.id
    assert first.peer != second.peer
    assert second.plain["deadline_ms"] < first.plain["deadline_ms"]


def test_late_and_double_replies_are_no_one_elses(node: Any, picture: np.ndarray):
    late: list[Any] = []

    def keep(node: Any, asked: Any) -> None:
        late.append(asked)
        node.running = 1

    def thrice(node: Any, asked: Any) -> None:
        for earlier in late:
            node.answer(earlier)
        for _ in range(3):
            node.answer(asked)

    node.scripts.extend([keep, thrice])
    with Client(node.endpoint) as client:
        with pytest.raises(DeadlineExceeded):
            client.segment(picture, seq=1, deadline=0.2)
        for seq in range(2, 6):
            assert client.segment(picture, seq=seq).seq == seq
            assert client.ping().node == node.name


def test_a_restart_in_the_middle_of_a_call(node: Any, acts: Any, picture: np.ndarray, start: Callable[..., Any]):
    node.scripts.append(acts.silent)
    with Client(node.endpoint, deadline=5.0) as client, ThreadPoolExecutor(1) as pool:
        future = pool.submit(client.segment, picture)
        node.work.get(timeout=5)
        node.stop()
        again = start(endpoint=node.endpoint, publish_endpoint=node.publish_endpoint)
        assert len(future.result()) == 1
    assert len(again.asked("segment")) == 1


def test_a_restart_between_two_calls(node: Any, picture: np.ndarray, start: Callable[..., Any]):
    with Client(node.endpoint) as client:
        client.segment(picture)
        node.stop()
        again = start(endpoint=node.endpoint)
        assert len(client.segment(picture)) == 1
    assert len(again.asked("segment")) == 1


def test_a_node_that_comes_late_is_waited_for(context: zmq.Context, picture: np.ndarray, start: Callable[..., Any]):
    node = start()
    endpoint = node.endpoint
    node.stop()
    with Client(endpoint) as client, ThreadPoolExecutor(1) as pool:
        future = pool.submit(client.segment, picture)
        start(endpoint=endpoint)
        assert len(future.result()) == 1


def test_nobody_there(picture: np.ndarray, node: Any):
    node.stop()
    begin = time.monotonic()
    with Client(node.endpoint, connect_timeout=0.3) as client, pytest.raises(NodeUnreachable, match="maskbus serve"):
        client.segment(picture)
    assert time.monotonic() - begin < 1.5


def test_a_mute_node(node: Any, picture: np.ndarray):
    node.mute = True
    with Client(node.endpoint, deadline=0.4) as client:
        for call in (client.ping, client.describe, client.stats):
            with pytest.raises(NodeUnreachable):
                call(deadline=0.3)


def test_slow_is_not_lost(node: Any, picture: np.ndarray):
    def begin(node: Any, asked: Any) -> None:
        node.running = 1
        timer = threading.Timer(1.0, lambda: node.do(lambda: node.answer(asked)))
        timers.append(timer)
        timer.start()

    timers: list[threading.Timer] = []
    node.scripts.append(begin)
    with Client(node.endpoint, deadline=2.0) as client:
        client.segment(picture)
    timers[0].join()
    assert len(node.asked("segment")) == 1
    assert len(node.asked("ping")) + len(node.asked("stats")) >= 3


def test_garbage(node: Any, picture: np.ndarray):
    node.mute = True
    node.scripts.extend([lambda node, asked: node.send_raw(asked, b"SSH-2.0")] * 3)
    with Client(node.endpoint, deadline=0.5) as client, pytest.raises(ProtocolError):
        client.segment(picture)


def test_a_reply_of_another_kind(node: Any, picture: np.ndarray):
    node.scripts.append(lambda node, asked: node.send(asked, replies.Released(id=asked.id)))
    with Client(node.endpoint) as client, pytest.raises(ProtocolError, match="Released where Masks"):
        client.segment(picture)


def test_a_reply_with_the_wrong_sizes(node: Any, picture: np.ndarray):
    def short(node: Any, asked: Any) -> None:
        reply, attachments = node.masks(asked)
        node.send(asked, reply, [attachments[0][:-1]])

    node.scripts.append(short)
    with Client(node.endpoint) as client:
        result = client.segment(picture, encoding="raw")
    with pytest.raises(ProtocolError, match="48 bytes, not 47"):
        result[0].to_array()


def test_cancel_from_another_thread(node: Any, acts: Any, picture: np.ndarray):
    waiting: list[Any] = []
    node.scripts.append(lambda node, asked: waiting.append(asked))
    with Client(node.endpoint) as client, ThreadPoolExecutor(1) as pool:
        future = pool.submit(client.segment, picture, id="mine")
        node.work.get(timeout=5)
        assert client.cancel("mine") == 1
        assert node.work.get(timeout=5).plain["target"] == "mine"
        node.do(lambda: acts.error("cancelled")(node, waiting[0]))
        with pytest.raises(Cancelled):
            future.result(timeout=5)


def test_many_threads(node: Any, picture: np.ndarray):
    with Client(node.endpoint) as client, ThreadPoolExecutor(8) as pool:
        for result, seq in zip(
            pool.map(lambda seq: client.segment(picture, seq=seq), range(200)), range(200), strict=True
        ):
            assert result.seq == seq
    peers = {asked.peer for asked in node.asked("segment")}
    assert 1 <= len(peers) <= 8


def test_closing_while_others_wait(node: Any, acts: Any, picture: np.ndarray):
    node.scripts.extend([acts.silent] * 2)
    client = Client(node.endpoint)
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(client.segment, picture) for _ in range(2)]
        for _ in futures:
            node.work.get(timeout=5)
        client.close()
        for future in futures:
            with pytest.raises(ClientClosed):
                future.result(timeout=5)
    with pytest.raises(ClientClosed):
        client.ping()
    with pytest.raises(ClientClosed):
        client.subscribe("t", endpoint=node.publish_endpoint)
    client.close()
    assert "closed" in repr(client)


def test_a_context_that_ends_under_a_call(node: Any, acts: Any, picture: np.ndarray):
    node.scripts.append(acts.silent)
    context = zmq.Context()
    client = Client(node.endpoint, context=context)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(client.segment, picture)
        node.work.get(timeout=5)
        context.term()
        with pytest.raises(ClientClosed):
            future.result(timeout=5)
    client.close()


def test_an_interrupted_call_is_cancelled_at_the_node(node: Any, acts: Any, picture: np.ndarray, monkeypatch: Any):
    node.scripts.append(acts.silent)
    with Client(node.endpoint) as client:

        def interrupt(*_: Any) -> None:
            node.work.get(timeout=5)
            raise KeyboardInterrupt

        monkeypatch.setattr(client, "_wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            client.segment(picture, id="mine")
    cancel = node.work.get(timeout=5)
    assert (cancel.op, cancel.plain["target"]) == ("cancel", "mine")


@pytest.mark.parametrize("endpoint", ["inproc://node", "ipc"])
def test_other_transports(
    endpoint: str, context: zmq.Context, start: Callable[..., Any], picture: np.ndarray, tmp_path: Any
):
    if endpoint == "ipc":
        endpoint = f"ipc://{tmp_path}/node"
    node = start(endpoint=endpoint)
    with Client(endpoint, context=context) as client:
        assert client.segment(picture)[0].to_array().any()
        image = np.zeros((300, 300, 3), np.uint8)
        client.segment(image, keep=True)
    assert node.asked("segment")[1].attachments == [image.tobytes()]


def test_inproc_before_the_node_is_there(context: zmq.Context, start: Callable[..., Any], picture: np.ndarray):
    with Client("inproc://node", context=context) as client, ThreadPoolExecutor(1) as pool:
        future = pool.submit(client.segment, picture)
        start(endpoint="inproc://node")
        assert len(future.result()) == 1


def test_a_restart_of_an_inproc_node(context: zmq.Context, start: Callable[..., Any], picture: np.ndarray):
    node = start(endpoint="inproc://node")
    with Client("inproc://node", context=context, deadline=1.0) as client:
        client.ping()
        node.stop()
        start(endpoint="inproc://node")
        assert len(client.segment(picture)) == 1


def test_an_image_crosses_once(node: Any, picture: np.ndarray):
    with Client(node.endpoint) as client:
        with client.image(picture, model="m") as image:
            assert image.size == (6, 8)
            sent = picture.copy()
            picture[:] = 0
            for x in range(3):
                assert client.segment(image, points=(x, 2)).width == 8
            result = image.segment(points=(1, 2), encoding="bits")
            assert np.array_equal(result.overlay(alpha=0)[5, 7], sent[5, 7])
            with pytest.raises(ValueError, match="outside"):
                image.segment(points=(8, 2))
        with pytest.raises(ValueError, match="released"):
            image.segment(points=(1, 2))
        image.release()
    assert node.asked("embed")[0].attachments == [sent.tobytes()]
    assert all(asked.attachments == [] and asked.plain["model"] == "fake" for asked in node.asked("segment"))
    assert len(node.asked("release")) == 1
    assert not node.images


def test_an_image_the_node_lost_is_sent_again(node: Any, picture: np.ndarray):
    with Client(node.endpoint) as client, client.image(picture) as image:
        before = image.image_id
        node.images.clear()
        assert len(image.segment(points=(1, 2))) == 1
        assert image.image_id != before
        assert len(image.segment(points=(1, 2))) == 1
        node.images.clear()
    assert len(node.asked("embed")) == 2
    assert len({asked.id for asked in node.asked("segment")}) == 2


def test_an_image_the_node_keeps_losing(node: Any, acts: Any, picture: np.ndarray):
    with Client(node.endpoint) as client, client.image(picture) as image:
        node.scripts.extend(
            [acts.error("unknown_image"), lambda node, asked: node.answer(asked), acts.error("unknown_image")]
        )
        with pytest.raises(UnknownImage):
            image.segment(points=(1, 2))
    assert len(node.asked("embed")) == 2


def test_an_error_is_not_hidden_by_tidying_up(node: Any, picture: np.ndarray):
    def fail() -> None:
        with client.image(picture):
            node.mute = True
            raise ZeroDivisionError

    with Client(node.endpoint, deadline=0.3) as client, pytest.raises(ZeroDivisionError):
        fail()
