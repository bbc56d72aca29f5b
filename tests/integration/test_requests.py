"""Requests of every kind at a whole node, over real sockets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zmq

import maskbus
from maskbus.handlers.echo import EchoHandler
from maskbus.node import CannotBind
from maskbus.testing import node
from maskbus_wire import replies, rle
from maskbus_wire.prompts import MaskPrompt, Prompt
from maskbus_wire.replies import Pong
from maskbus_wire.requests import Cancel, Describe, Ping, Stats
from support.models import Gate
from support.nodes import live_node
from support.peer import TINY, Peer, raw, segment

TCP = {"bind": ["tcp://127.0.0.1:*"], "publish": ["tcp://127.0.0.1:*"]}
NO_IPC = not zmq.has("ipc")


@pytest.fixture
def gate():
    made = Gate()
    yield made
    made.open()


def error(reply, code):
    assert isinstance(reply, replies.Error), reply
    assert reply.code == code, reply
    return reply


@pytest.mark.parametrize("kind", [zmq.REQ, zmq.DEALER], ids=["REQ", "DEALER"])
@pytest.mark.parametrize("scheme", ["tcp", pytest.param("ipc", marks=pytest.mark.skipif(NO_IPC, reason="no ipc here"))])
def test_plain_sockets(tmp_path, scheme, kind):
    with (
        node({"echo": EchoHandler}, **TCP, ipc=scheme == "ipc", runtime_dir=str(tmp_path / "run")) as running,
        Peer(running.context, next(e for e in running.bus.endpoints if e.startswith(scheme)), kind) as peer,
    ):
        for i in range(3):
            request = segment(id=str(i), box=(1, 1, 4, 3), stamp=2**62 + i, frame_id="camera", stream="front", seq=-i)
            reply = peer.ask(request, TINY)
            assert isinstance(reply, replies.Masks)
            assert (reply.id, reply.model, reply.width, reply.height) == (str(i), "echo", 5, 4)
            assert (reply.stamp, reply.frame_id, reply.stream, reply.seq) == (2**62 + i, "camera", "front", -i)
            truth = np.zeros((4, 5), np.bool_)
            truth[1:3, 1:4] = True
            assert np.array_equal(rle.decode(reply.masks[0].rle.counts, 4, 5), truth)
        assert isinstance(peer.ask(Ping()), replies.Pong)


@pytest.mark.skipif(NO_IPC, reason="no ipc here")
def test_ping_names_sockets_that_answer(tmp_path):
    with (
        node({"echo": EchoHandler}, **TCP, ipc=True, runtime_dir=str(tmp_path / "run")) as running,
        Peer(running.context, running.endpoint) as peer,
    ):
        pong = peer.ask(Ping(id="p"))
        assert (pong.id, pong.version, len(pong.endpoints), len(pong.publish_endpoints)) == (
            "p",
            maskbus.__version__,
            2,
            2,
        )
        for endpoint in pong.endpoints:
            with Peer(running.context, endpoint) as other:
                assert other.ask(Ping()).node == pong.node
        port = pong.endpoints[0].rpartition(":")[2]
        assert {path.name for path in (tmp_path / "run").iterdir()} == {f"{port}.requests", f"{port}.topics"}
        assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700


def test_pipelining():
    with node({"echo": EchoHandler}, queue_length=500) as running, Peer(running.context, running.endpoint) as peer:
        for i in range(300):
            peer.send(segment(id=str(i), box=(0, 0, 1 + i % 5, 1)), TINY)
        for i in range(300):
            reply, _ = peer.receive()
            assert (reply.id, reply.masks[0].area) == (str(i), 1 + i % 5)
        assert peer.quiet()


def test_peers_get_their_own_replies():
    with node({"echo": EchoHandler}) as running:
        peers = [Peer(running.context, running.endpoint) for _ in range(8)]
        try:
            for round_ in range(5):
                for i, peer in enumerate(peers):
                    peer.send(segment(id=f"{i} {round_}"), TINY)
            for i, peer in enumerate(peers):
                assert [peer.receive()[0].id for _ in range(5)] == [f"{i} {round_}" for round_ in range(5)]
        finally:
            for peer in peers:
                peer.socket.close()


@pytest.mark.parametrize(
    "message",
    [[b"no delimiter"], [b"", b""], [b""], [b"", b"\xff"], [b"", b"\x80"], [b"", b"\x81\xa2op\xa1x", b"more"]],
)
def test_messages_that_are_none_are_answered(message):
    with node({"echo": EchoHandler}) as running, Peer(running.context, running.endpoint) as peer:
        peer.socket.send_multipart(message)
        assert isinstance(peer.receive()[0], replies.Error)
        assert isinstance(peer.ask(Ping()), replies.Pong)
        assert peer.ask(Stats()).rejected == 1


def test_frame_over_the_limit_costs_its_sender_the_connection_only():
    with (
        node({"echo": EchoHandler}, **TCP, max_frame_bytes=100_000) as running,
        Peer(running.context, running.endpoint) as peer,
        Peer(running.context, running.endpoint) as other,
    ):
        peer.send(segment(), bytes(200_000))
        assert isinstance(other.ask(Ping()), replies.Pong)
        assert other.ask(Stats()).received == 2


def test_a_busy_model_does_not_hold_up_another(gate):
    with (
        node({"echo": EchoHandler, "gated": gate.handler}) as running,
        Peer(running.context, running.endpoint) as slow,
        Peer(running.context, running.endpoint) as peer,
    ):
        slow.send(segment("gated", id="slow"), TINY)
        gate.wait_until_entered()
        for i in range(20):
            assert peer.ask(segment("echo", id=str(i)), TINY).id == str(i)
        stats = {model.name: model for model in peer.ask(Stats()).models}
        assert (stats["gated"].running, stats["gated"].answered, stats["echo"].answered) == (1, 0, 20)
        assert slow.quiet(1)
        gate.open()
        assert slow.receive()[0].id == "slow"


def test_lanes(gate):
    with node({"gated": gate.handler}) as running, Peer(running.context, running.endpoint) as peer:
        peer.send(segment("gated", id="first"), TINY)
        gate.wait_until_entered()
        for number, lane in enumerate(["batch", "stream", "interactive", "batch", "stream", "interactive"]):
            peer.send(segment("gated", id=f"{lane} {number}", lane=lane), TINY)
        assert peer.ask(Stats()).models[0].queued == {"interactive": 2, "stream": 2, "batch": 2}
        gate.open()
        order = [peer.receive()[0].id for _ in range(7)]
        assert order == ["first", "interactive 2", "interactive 5", "stream 1", "stream 4", "batch 0", "batch 3"]


def test_deadline_while_waiting(gate):
    with node({"gated": gate.handler}) as running, Peer(running.context, running.endpoint) as peer:
        peer.send(segment("gated", id="first"), TINY)
        gate.wait_until_entered()
        peer.send(segment("gated", id="late", deadline_ms=20), TINY)
        reply = error(peer.receive()[0], "deadline_exceeded")
        assert reply.id == "late"
        gate.open()
        assert peer.receive()[0].id == "first"
        assert peer.ask(Stats()).shm_used_bytes == 0


def test_what_has_run_out_of_time_takes_no_place(gate, monkeypatch):
    with node({"gated": gate.handler}, queue_length=1) as running, Peer(running.context, running.endpoint) as peer:
        peer.send(segment("gated", id="first"), TINY)
        gate.wait_until_entered()
        # No deadline wakes the node, so that what comes next finds one passed. (A worker's sign of life may wake it
        # before: then there is less to see, and the same to expect.)
        monkeypatch.setattr(running.bus.broker, "next_event", lambda: None)
        peer.send(segment("gated", id="late", deadline_ms=30), TINY)
        peer.quiet(100)
        peer.send(segment("gated", id="next"), TINY)
        assert error(peer.receive()[0], "deadline_exceeded").id == "late"
        gate.open()
        assert [peer.receive()[0].id for _ in range(2)] == ["first", "next"]


def test_cancelled_while_it_waits(gate):
    with node({"gated": gate.handler}) as running, Peer(running.context, running.endpoint) as peer:
        peer.send(segment("gated", id="first"), TINY)
        gate.wait_until_entered()
        peer.send(segment("gated", id="second"), TINY)
        peer.send(Cancel(target="second", id="cancel"))
        found = {reply.id: reply for reply, _ in (peer.receive(), peer.receive())}
        assert found["cancel"].cancelled == 1
        error(found["second"], "cancelled")
        gate.open()
        assert peer.receive()[0].id == "first"
        assert peer.quiet()


def test_requester_that_is_gone_when_its_answer_comes():
    """The node may learn that a peer has gone only after it has answered, so it is tried until it knew before."""
    for _ in range(50):
        gate = Gate()
        with node({"gated": gate.handler}, **TCP) as running, Peer(running.context, running.endpoint) as peer:
            with Peer(running.context, running.endpoint) as leaver:
                leaver.send(segment("gated"), TINY)
                gate.wait_until_entered()
            assert isinstance(peer.ask(Ping()), replies.Pong)
            gate.open()
            assert isinstance(peer.ask(segment("gated"), TINY), replies.Masks)
            stats = peer.ask(Stats())
            assert stats.shm_used_bytes == 0
            assert stats.models[0].answered == 2
            if stats.unanswerable == 1:
                return
    raise AssertionError("no reply was found to be undeliverable")


def test_describe():
    with live_node(models=["echo", "grabcut", "failing"]) as running, running.peer() as peer:
        description = peer.ask(Describe(id="d"))
        models = {model.name: model for model in description.models}
        assert set(models) == {"echo", "grabcut", "failing"}
        assert [name for name, model in models.items() if model.default] == ["echo"]
        assert all(model.ready and model.licence and model.title for model in models.values())
        assert "logits" in models["echo"].encodings
        assert "logits" not in models["grabcut"].encodings
        assert {"jpeg", "rgb8", "bgra8"} <= set(description.image_encodings)
        assert description.limits["pixels"] == 64_000_000


def test_statistics():
    with live_node(models=["echo"], heartbeat_s=0.05, heartbeat_timeout_s=10) as running, running.peer() as peer:
        assert isinstance(peer.ask(segment(), TINY), replies.Masks)
        error(peer.ask(segment(prompt=Prompt(text=["x"])), TINY), "unsupported_prompt")
        while not (stats := peer.ask(Stats())).workers[0].rss_bytes:
            pass  # it comes with the first heartbeat
        (model,) = stats.models
        assert (model.name, model.answered, model.errors, model.queued) == ("echo", 1, {"unsupported_prompt": 1}, {})
        assert 0 < model.p50_ms <= model.p99_ms
        assert 0 < model.rate <= 1
        (worker,) = stats.workers
        assert (worker.model, worker.device, worker.state, worker.restarts) == ("echo", "cpu", "ready", 0)
        assert worker.pid not in {0, os.getpid()}
        assert (stats.rejected, stats.unanswerable, stats.images, stats.shm_used_bytes) == (1, 0, 0, 0)
        assert stats.shm_bytes > 0
        assert stats.uptime_s > 0


def test_nothing_waits_longer_for_more_than_one_worker():
    model = {"pair": {"handler": "echo", "devices": ["cpu", "cpu"]}}
    with live_node(model=model, models=["pair"], default_model="pair") as running, running.peer() as peer:
        for i in range(50):
            peer.send(segment("pair", id=str(i)), TINY)
        assert {peer.receive()[0].id for _ in range(50)} == {str(i) for i in range(50)}
        assert len({worker.pid for worker in peer.ask(Stats()).workers}) == 2


LEAN = """
import sys
from support.nodes import live_node
from support.peer import TINY, segment
from maskbus_wire.requests import Describe, Stats
with live_node(models=["grabcut", "echo"]) as running, running.peer() as peer:
    for model in ("echo", "grabcut"):
        reply = peer.ask(segment(model, box=(1, 1, 4, 3), encodings=["png", "overlay"], publish="x"), TINY)
        assert type(reply).__name__ == "Masks", reply
    peer.ask(Describe())
    peer.ask(Stats())
print(sorted({"torch", "cv2", "PIL", "maskbus.handlers.grabcut"} & set(sys.modules)))
"""


def test_the_node_s_own_process_stays_lean():
    tests = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", LEAN],
        env={**os.environ, "PYTHONPATH": str(tests)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_ipc_path_of_a_living_node_is_not_taken_away(tmp_path):
    endpoint = f"ipc://{tmp_path}/requests"
    with live_node(bind=[endpoint], models=["echo"]) as first:
        with pytest.raises(CannotBind, match="listening"), live_node(bind=[endpoint], models=["echo"]):
            pass
        with first.peer(endpoint=endpoint) as peer:
            assert isinstance(peer.ask(Ping()), Pong)
    with live_node(bind=[endpoint], models=["echo"]):
        pass


@pytest.mark.parametrize("size", [10_000, 200_000, 250_000, 300_000, 5_000_000])
def test_large_options_are_taken_whole_or_refused(size):
    """A job is handed to its worker in one piece: what is over the limit must not get that far."""
    with live_node(models=["echo"]) as running, running.peer() as peer:
        reply = peer.ask(segment(options={"note": "x" * size}), TINY)
        if size <= 250_000:
            assert isinstance(reply, replies.Masks), reply
        else:
            assert (reply.code, reply.path) == ("too_large", "options")
        assert isinstance(peer.ask(segment(), TINY), replies.Masks)
        assert running.worker("echo").restarts == 0


def test_speckled_mask_as_rle_is_taken_whatever_its_length():
    height, width = 1200, 1600
    mask = np.random.default_rng(3).random((height, width)) < 0.5
    counts = rle.encode(mask)
    assert len(counts) > 500_000
    with live_node(models=["echo"]) as running, running.peer() as peer:
        prompt = Prompt(mask=MaskPrompt(encoding="rle", counts=counts))
        picture = np.zeros((height, width, 3), np.uint8)
        reply = peer.ask(segment(image=raw(picture), prompt=prompt), picture.tobytes())
        assert isinstance(reply, replies.Masks), reply
        assert reply.masks[0].area == mask.sum()
