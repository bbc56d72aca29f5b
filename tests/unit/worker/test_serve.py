"""The worker's loop, with a thread for a process and the test for a node."""

from __future__ import annotations

import socket
import threading
import time

import numpy as np
import pytest

from maskbus.handlers.echo import EchoHandler
from maskbus.interfaces import BadPrompt, Handler, HandlerError, ModelInfo, ModelUnavailable, UnsupportedPrompt
from maskbus.worker.channel import Channel, ChannelClosed, pack, unpack
from maskbus.worker.serve import OutOfMemory, serve
from maskbus_wire import frames, replies, rle
from support.models import PATIENCE_S, Bright

PIXELS = np.zeros((4, 5, 3), np.uint8)
PIXELS[1, 2] = 255
BYTES = PIXELS.tobytes()
OBJECT = np.zeros((4, 5, 3), np.uint8)
OBJECT[1:3, 2:5] = 255


def picture(slot, nbytes=60):
    """Return what the node says of an image."""
    return {"slot": slot, "nbytes": nbytes, "encoding": "rgb8", "width": 5, "height": 4, "step": 15, "key": ""}


class Worker:
    def __init__(self, handler: type[Handler], directory, **hello):
        ours, theirs = socket.socketpair()
        ours.settimeout(PATIENCE_S)
        self.channel = Channel(ours)
        self.directory = directory
        self.raised: BaseException | None = None
        self.orphaned = threading.Event()
        self.numbers = iter(range(1, 1000))
        self.thread = threading.Thread(target=self._run, args=(theirs, handler))
        self.thread.start()
        defaults = {
            "type": "hello",
            "slots": str(directory),
            "weights_dir": "",
            "embedding_bytes": 1000,
            "embedding_ttl_s": 0.0,
            "tracker_bytes": 1 << 20,
            "heartbeat_s": 1000.0,
        }
        defaults |= {"max_pixels": 1000, "model": "m", "handler": "it", "device": "cpu", "threads": 0, "options": {}}
        self.channel.send([pack({**defaults, **hello})])

    def _run(self, theirs, handler):
        with theirs:
            try:
                serve(Channel(theirs), {"it": handler}.__getitem__, self.orphaned.set)
            except BaseException as error:
                self.raised = error

    def receive(self, *, beats=False):
        while True:
            control, *payload = self.channel.receive()
            message = unpack(control)
            if beats or message["type"] != "beat":
                return message, payload

    def job(self, *, slot="slot", data=BYTES, deadline_s=60.0, **fields):
        (self.directory / slot).write_bytes(data)
        now = time.monotonic()
        number = next(self.numbers)
        message = {
            "type": "job",
            "job": number,
            "op": "segment",
            "model": "m",
            "received": now,
            "deadline": now + deadline_s,
        }
        message |= {
            "image": {**picture(slot, len(data)), **fields.pop("image", {})},
            "meta": {"id": f"id {number}", "seq": 7},
        }
        message |= {"prompt": {}, "multimask": False, "options": {}, "inline": False, "blobs": {}}
        message["outputs"] = [{"topic": "", "encodings": ["rle"], "inline": False}]
        self.channel.send([pack({**message, **fields})])
        return number

    def ask(self, **fields):
        number = self.job(**fields)
        message, payload = self.receive()
        assert message["job"] == number
        return message, payload

    def end(self):
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


@pytest.fixture
def start(tmp_path):
    made = []

    def start(handler=Bright, **hello):
        made.append(Worker(handler, tmp_path, **hello))
        return made[-1]

    yield start
    for worker in made:
        worker.channel.close()
        worker.end()


def reply_of(payload, count=1):
    return frames.decode_reply(frames.open_header(payload[:count])[0])


def failing(error):
    class Failing(EchoHandler):
        info = ModelInfo(title="x", prompts=frozenset({"none"}), licence="MIT", cache_embeddings=False)

        def decode(self, *_):
            raise error

    return Failing


def test_life(start):
    closed = threading.Event()

    class Mine(Bright):
        def close(self):
            closed.set()

    worker = start(Mine)
    assert worker.receive() == ({"type": "ready", "batch": 1, "weights": ""}, [])
    message, payload = worker.ask()
    assert (message["type"], message["outputs"]) == ("done", [["", 1]])
    reply = reply_of(payload)
    assert (reply.id, reply.seq, reply.model, reply.width, reply.height, reply.cached) == ("id 1", 7, "m", 5, 4, False)
    assert reply.masks[0].area == 1
    assert reply.timings.total_ms > 0
    worker.channel.send([pack({"type": "stop"})])
    worker.end()
    assert closed.is_set()
    assert worker.raised is None
    assert not worker.orphaned.is_set()


def test_handler_is_told_what_the_node_was(start):
    seen = []

    class Mine(Bright):
        def __init__(self, context):
            seen.append(context)
            super().__init__(context)

    start(Mine, device="cuda:1", threads=3, options={"a": [1]}, weights_dir="/w").receive()
    (context,) = seen
    assert (context.model, context.device, context.threads, context.options) == ("m", "cuda:1", 3, {"a": [1]})
    assert str(context.weights_dir) == "/w"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ModelUnavailable("Run this."), "model_unavailable", "Run this."),
        (MemoryError(), "out_of_memory", "memory"),
        (ImportError("No module named x"), "model_unavailable", "No module named x"),
        (HandlerError("Odd."), "internal", "Odd."),
    ],
)
def test_model_that_cannot_be_loaded(start, error, code, words):
    class Mine(Bright):
        def __init__(self, context):
            raise error

    worker = start(Mine)
    message, _ = worker.receive()
    assert (message["type"], message["code"]) == ("failed", code)
    assert words in message["message"]
    worker.end()
    assert worker.raised is None


def test_handler_that_does_not_exist(start):
    worker = start(handler="nothing")
    message, _ = worker.receive()
    assert (message["type"], message["code"]) == ("failed", "model_unavailable")


@pytest.mark.parametrize(
    ("error", "code", "path"),
    [
        (UnsupportedPrompt("No."), "unsupported_prompt", "prompt"),
        (BadPrompt("No."), "invalid_value", "prompt"),
        (ModelUnavailable("No."), "model_unavailable", ""),
        (HandlerError("No."), "internal", ""),
        (ValueError("secret /etc/passwd"), "internal", ""),
        (KeyError(3), "internal", ""),
        (AssertionError(), "internal", ""),
    ],
)
def test_errors_of_a_handler(start, error, code, path):
    worker = start(failing(error))
    worker.receive()
    for _ in range(2):  # and the worker goes on
        message, _ = worker.ask()
        assert (message["type"], message["code"], message["path"]) == ("error", code, path)
        assert "secret" not in message["message"]


def test_error_of_a_library_that_ran_out_of_memory(start):
    kind = type("OutOfMemoryError", (RuntimeError,), {})
    for error in (MemoryError(), kind("CUDA out of memory")):
        worker = start(failing(error))
        worker.receive()
        message, _ = worker.ask()
        assert message["code"] == "out_of_memory"
        worker.end()
        assert isinstance(worker.raised, OutOfMemory)


def test_same_picture_is_embedded_once(start):
    worker = start()
    worker.receive()
    assert not reply_of(worker.ask()[1]).cached
    assert reply_of(worker.ask(slot="another")[1]).cached
    other = PIXELS.copy()
    other[0, 0] = 200
    reply = reply_of(worker.ask(data=other.tobytes())[1])
    assert (reply.cached, reply.masks[0].area) == (False, 2)


def test_no_digest_where_embeddings_are_not_kept(start, monkeypatch):
    worker = start(EchoHandler)
    worker.receive()
    monkeypatch.setattr("maskbus.worker.pictures.Pictures.digest", lambda *_: pytest.fail("nobody needs it"))
    assert worker.ask()[0]["type"] == "done"


def test_embed(start):
    worker = start()
    worker.receive()
    message, payload = worker.ask(op="embed", image={"key": "kept"})
    assert message["outputs"] == [["", 1]]
    reply = reply_of(payload)
    assert (type(reply).__name__, reply.image_id, reply.embedding_bytes, reply.cached) == (
        "Embedded",
        "kept",
        20,
        False,
    )
    assert reply_of(worker.ask(image={"key": "kept"})[1]).cached


def look(worker, **fields):
    """Ask for everything; return the control message, the reply, and the progress before it."""
    asked = {"preset": "default", "settings": {"points_per_side": 3}, "progress": False, "data": OBJECT.tobytes()}
    number = worker.job(op="everything", **{**asked, **fields})
    told = []
    while True:
        message, payload = worker.receive()
        assert message["job"] == number
        if message["type"] != "progress":
            return message, payload, told
        told.append(reply_of(payload))


def test_everything(start):
    worker = start()
    worker.receive()
    message, payload, told = look(worker)
    assert (message["type"], message["outputs"], told) == ("done", [["", 1]], [])
    reply = reply_of(payload)
    assert isinstance(reply, replies.FoundMasks)
    assert (reply.id, reply.seq, reply.cached, reply.notes) == ("id 1", 7, False, [])
    (mask,) = reply.masks
    assert (mask.bbox, mask.area, mask.crop_box) == ((2, 1, 3, 2), 6, (0, 0, 5, 4))
    assert np.array_equal(rle.decode(mask.rle.counts, 4, 5), OBJECT[:, :, 0] > 0)
    assert reply.timings.decode_ms > 0
    assert reply_of(look(worker)[1]).cached


def test_everything_says_what_was_done_otherwise(start):
    worker = start()
    worker.receive()
    _, payload, _ = look(worker, data=bytes(60))
    reply = reply_of(payload)
    assert reply.masks == []
    assert any("found" in note for note in reply.notes)


def test_progress_where_it_was_asked_for(start):
    worker = start()
    worker.receive()
    _, payload, told = look(worker, progress=True)
    assert [type(reply) for reply in told] == [replies.Progress] * len(told)
    assert told[0].done < told[-1].done == told[-1].total == 9
    assert {reply.id for reply in told} == {"id 1"}
    assert told[-1].found == sum(len(reply.masks) for reply in told) >= len(reply_of(payload).masks)
    assert told[0].masks[0].rle is not None


def test_settings_that_differ_from_the_preset(start):
    worker = start()
    worker.receive()
    _, payload, told = look(worker, preset="fast", settings={"min_area": 7, "retry": False}, progress=True)
    assert told[-1].total == 16 * 16
    assert (reply_of(payload).masks, reply_of(payload).notes) == ([], [])


def test_everything_for_topics_is_the_masks_alone(start):
    worker = start()
    worker.receive()
    outputs = [
        {"topic": "", "encodings": ["rle"], "inline": False},
        {"topic": "png:t", "asked": "t", "encodings": ["png"], "inline": False},
    ]
    message, payload, told = look(worker, outputs=outputs, progress=True)
    assert message["outputs"] == [["", 1], ["png:t", 2]]
    assert told
    published = reply_of(payload[1:])
    assert (type(published), published.topic, published.id) == (replies.Masks, "t", "")


def test_everything_can_be_cancelled(start):
    entered = threading.Event()

    class Slow(Bright):
        def decode(self, embedding, prompt, options, job):
            entered.set()
            return super().decode(embedding, prompt, options, job)

    worker = start(Slow)
    worker.receive()
    settings = {"points_per_side": 256}
    number = worker.job(op="everything", preset="default", settings=settings, progress=False)
    assert entered.wait(PATIENCE_S)
    worker.channel.send([pack({"type": "cancel", "job": number})])
    message, _ = worker.receive()
    assert (message["job"], message["code"]) == (number, "cancelled")
    assert look(worker)[0]["type"] == "done"


def test_pictures_of_jobs_that_wait_are_embedded_along(start):
    class Batching(Bright):
        info = ModelInfo(title="x", prompts=frozenset({"none"}), licence="MIT", batch=8)

        @property
        def batch(self):
            return 2

    worker = start(Batching)
    assert worker.receive()[0]["batch"] == 2
    assert worker.ask()[0]["ahead"] == []
    for name in "abc":
        (worker.directory / name).write_bytes(bytes(59) + name.encode())
    waiting = [{"job": number, "image": picture(name)} for number, name in enumerate("ab", 100)]
    message, _ = worker.ask(slot="c", data=bytes(59) + b"c", ahead=waiting)
    assert message["ahead"] == [100]
    assert reply_of(worker.ask(slot="a", data=bytes(59) + b"a")[1]).cached
    assert not reply_of(worker.ask(slot="b", data=bytes(59) + b"b")[1]).cached


def test_an_embedding_that_nobody_uses_goes_while_the_worker_is_idle(start):
    worker = start(heartbeat_s=0.005, embedding_ttl_s=0.05)
    worker.receive()
    worker.ask()
    message = {}
    while message.get("cache", [0])[0] != 20:
        message, _ = worker.receive(beats=True)
    while message["cache"] != [0, 0, 0, 1, 1]:
        message, _ = worker.receive(beats=True)
    assert worker.ask()[0]["type"] == "done"


def test_several_outputs(start):
    worker = start()
    worker.receive()
    outputs = [
        {"topic": "", "encodings": ["bits", "raw"], "inline": False},
        {"topic": "png:t", "asked": "t", "encodings": ["png"], "inline": False},
        {"topic": "t", "asked": "t", "encodings": [], "inline": False},
    ]
    message, payload = worker.ask(outputs=outputs, image={"key": "kept"})
    assert message["outputs"] == [["", 3], ["png:t", 2], ["t", 1]]
    assert len(payload) == 6
    own, png, plain = (reply_of(payload[start:]) for start in (0, 3, 5))
    assert (own.topic, own.published, own.id, own.image_id) == (None, None, "id 1", "kept")
    for published in (png, plain):
        assert (published.topic, published.published, published.id, published.image_id) == ("t", 1, "", None)


def test_deadline_that_passed_before_the_worker_began(start):
    worker = start()
    worker.receive()
    message, _ = worker.ask(deadline_s=-1.0)
    assert (message["type"], message["code"]) == ("error", "deadline_exceeded")


def test_cancel_while_running(start):
    entered = threading.Event()

    class Mine(EchoHandler):
        def decode(self, embedding, prompt, options, job):
            entered.set()
            end = time.monotonic() + PATIENCE_S
            while time.monotonic() < end:
                job.check()
            return super().decode(embedding, prompt, options, job)

    worker = start(Mine)
    worker.receive()
    first = worker.job()
    assert entered.wait(PATIENCE_S)
    worker.channel.send([pack({"type": "cancel", "job": first})])
    message, _ = worker.receive()
    assert (message["job"], message["code"]) == (first, "cancelled")


def test_damaged_file(start):
    worker = start()
    worker.receive()
    message, _ = worker.ask(data=b"\xff\xd8\xff\xe0", image={"encoding": "jpeg", "step": 0})
    assert (message["code"], message["path"]) == ("invalid_image", "image")


def test_prompt_of_a_wrong_size(start):
    worker = start(EchoHandler)
    worker.receive()
    (worker.directory / "blobs").write_bytes(bytes(100))
    blobs = {"slot": "blobs", "ranges": [[0, 19]]}
    message, _ = worker.ask(prompt={"mask": {"encoding": "raw", "attachment": 0}}, blobs=blobs)
    assert (message["code"], message["path"]) == ("invalid_value", "prompt.mask")
    message, _ = worker.ask(prompt={"mask": {"encoding": "raw", "attachment": 0}}, blobs={**blobs, "ranges": [[0, 20]]})
    assert message["type"] == "done"


def test_heartbeats(start):
    worker = start(heartbeat_s=0.001)
    beats = 0
    while beats < 3:
        message, _ = worker.receive(beats=True)
        if message["type"] == "beat":
            beats += 1
            assert message["rss"] > 1_000_000
            assert message["cache"] == [0, 0, 0, 0, 0]
    worker.ask()
    worker.ask()
    while message["type"] != "beat" or message["cache"] != [20, 1, 1, 1, 0]:
        message, _ = worker.receive(beats=True)


def test_node_that_is_gone(start):
    closed = threading.Event()

    class Mine(Bright):
        def close(self):
            closed.set()

    worker = start(Mine)
    worker.receive()
    worker.channel.close()
    worker.end()
    assert worker.raised is None
    assert closed.is_set()


def test_node_that_is_gone_while_a_job_runs(start):
    entered, leave = threading.Event(), threading.Event()

    class Mine(EchoHandler):
        def decode(self, embedding, prompt, options, job):
            entered.set()
            leave.wait(PATIENCE_S)
            return super().decode(embedding, prompt, options, job)

    worker = start(Mine, heartbeat_s=0.01)
    worker.receive()
    worker.job()
    assert entered.wait(PATIENCE_S)
    worker.channel.close()
    assert worker.orphaned.wait(PATIENCE_S)
    leave.set()
    worker.end()
    assert worker.raised is None


def test_node_that_is_gone_before_it_said_anything():
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs:
        serve(Channel(theirs), lambda _: pytest.fail("nothing was asked for"), lambda: None)


def test_closed_line_is_not_the_handler_s_fault(start, caplog):
    entered = threading.Event()

    class Mine(EchoHandler):
        def decode(self, embedding, prompt, options, job):
            entered.set()
            end = time.monotonic() + PATIENCE_S
            while time.monotonic() < end:
                job.check()
            raise AssertionError("never cancelled")

    worker = start(Mine)
    worker.receive()
    worker.job()
    assert entered.wait(PATIENCE_S)
    worker.channel.close()
    worker.end()
    assert worker.raised is None
    assert "handler failed" not in caplog.text
    assert ChannelClosed.__name__ not in caplog.text
