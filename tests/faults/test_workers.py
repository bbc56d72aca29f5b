"""What happens to jobs when their worker is killed, stopped, starved, or simply wrong."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from maskbus_wire.replies import Error, Masks, WorkerStats
from maskbus_wire.requests import Cancel, Ping
from support.nodes import LiveNode, live_node
from support.peer import TINY, Peer, segment

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")

MODELS = {
    "fragile": {"handler": "failing"},
    "slow-embed": {"handler": "failing", "options": {"embed": {"work": 3600}}},
    "missing": {"handler": "failing", "options": {"unavailable": "Weights are missing; run: maskbus models pull x"}},
    "unloadable": {"handler": "failing", "options": {"load": "The weights are those of another model."}},
    "dies-loading": {"handler": "failing", "options": {"load_die": True}},
}


@pytest.fixture(scope="module")
def running() -> Iterator[LiveNode]:
    with live_node(
        model=MODELS,
        models=["echo", *MODELS],
        heartbeat_s=0.2,
        heartbeat_timeout_s=1.5,
        hang_grace_s=0.3,
        backoff_s=0.05,
        queue_length=4,
    ) as node:
        yield node


@pytest.fixture
def peer(running: LiveNode) -> Iterator[Peer]:
    with running.peer() as made:
        yield made


def assert_serves(peer: Peer, model: str = "fragile") -> None:
    reply = peer.ask(segment(model, id="after", box=(0, 0, 2, 2)), TINY)
    assert isinstance(reply, Masks), reply
    assert reply.masks[0].area == 4


def wait_for(node: LiveNode, model: str, state: str, seconds: float = 20.0) -> WorkerStats:
    """Poll the node's own account of a worker: there is no event for it on the wire."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = [worker for worker in node.stats().workers if worker.model == model and worker.state == state]
        if found:
            return found[0]
    raise AssertionError(f"{model} did not become {state}")


def error(reply: object, code: str) -> Error:
    assert isinstance(reply, Error), reply
    assert reply.code == code, reply
    return reply


def test_killed_during_decode(running: LiveNode, peer: Peer) -> None:
    peer.send(segment("fragile", id="a", options={"work": 3600}), TINY)
    os.kill(wait_for(running, "fragile", "busy").pid, signal.SIGKILL)
    reply, _ = peer.receive()
    assert error(reply, "worker_died").id == "a"
    assert "signal 9" in reply.message
    assert_serves(peer)


def test_killed_during_embed(running: LiveNode, peer: Peer) -> None:
    peer.send(segment("slow-embed", id="b"), TINY)
    os.kill(wait_for(running, "slow-embed", "busy").pid, signal.SIGKILL)
    error(peer.receive()[0], "worker_died")
    assert_serves(peer)


def test_killed_between_jobs(running: LiveNode, peer: Peer) -> None:
    assert_serves(peer)
    restarts = running.worker("fragile").restarts
    os.kill(running.worker("fragile").pid, signal.SIGKILL)
    while running.worker("fragile").restarts == restarts:
        pass
    assert_serves(peer)


def test_kills_itself(peer: Peer) -> None:
    error(peer.ask(segment("fragile", options={"die": True}), TINY), "worker_died")
    assert_serves(peer)
    reply = error(peer.ask(segment("fragile", options={"exit": True}), TINY), "worker_died")
    assert "code 3" in reply.message
    assert_serves(peer)


def test_stopped_worker_is_found_by_its_heartbeat(running: LiveNode, peer: Peer) -> None:
    assert_serves(peer)
    pid = running.worker("fragile").pid
    os.kill(pid, signal.SIGSTOP)
    reply = error(peer.ask(segment("fragile", deadline_ms=15_000), TINY), "worker_died")
    assert "sign of life" in reply.message
    assert_serves(peer)
    assert running.worker("fragile").pid != pid


def test_stopped_worker_and_a_short_deadline(running: LiveNode, peer: Peer) -> None:
    assert_serves(peer)
    os.kill(running.worker("fragile").pid, signal.SIGSTOP)
    error(peer.ask(segment("fragile", deadline_ms=100), TINY), "deadline_exceeded")
    assert_serves(peer)


def test_hang_past_the_deadline(running: LiveNode, peer: Peer) -> None:
    assert_serves(peer)
    pid = running.worker("fragile").pid
    error(peer.ask(segment("fragile", options={"hang": 3600}, deadline_ms=100), TINY), "deadline_exceeded")
    assert_serves(peer)
    assert running.worker("fragile").pid != pid


def test_cooperative_handler_keeps_its_worker_past_a_deadline(running: LiveNode, peer: Peer) -> None:
    assert_serves(peer)
    pid = running.worker("fragile").pid
    error(peer.ask(segment("fragile", options={"work": 3600}, deadline_ms=100), TINY), "deadline_exceeded")
    assert_serves(peer)
    assert running.worker("fragile").pid == pid


def test_raised_exception_says_nothing_of_itself(running: LiveNode, peer: Peer) -> None:
    reply = error(peer.ask(segment("fragile", options={"raise": "secret /etc/path"}), TINY), "internal")
    assert "secret" not in reply.message
    assert_serves(peer)


def test_answer_of_a_wrong_shape(peer: Peer) -> None:
    error(peer.ask(segment("fragile", options={"shape": True}), TINY), "internal")
    assert_serves(peer)


def test_missing_weights(peer: Peer) -> None:
    reply = error(peer.ask(segment("missing"), TINY), "model_unavailable")
    assert reply.path == "model"
    assert "maskbus models pull" in reply.message


def test_model_that_cannot_be_loaded(peer: Peer) -> None:
    for _ in range(3):
        reply = error(peer.ask(segment("unloadable"), TINY), "model_unavailable")
        assert "another model" in reply.message


def test_model_whose_loading_kills_the_worker(peer: Peer) -> None:
    for _ in range(3):
        reply = error(peer.ask(segment("dies-loading"), TINY), "model_unavailable")
        assert "signal 9" in reply.message


def test_full_queue(running: LiveNode, peer: Peer) -> None:
    assert_serves(peer)
    peer.send(segment("fragile", id="first", options={"work": 3600}), TINY)
    wait_for(running, "fragile", "busy")
    for i in range(4):
        peer.send(segment("fragile", id=f"waiting {i}", options={"work": 0}), TINY)
    busy = error(peer.ask(segment("fragile", id="one too many"), TINY), "busy")
    assert (busy.id, busy.queue_length) == ("one too many", 4)
    peer.send(Cancel(target="first"))
    replies = [peer.receive()[0] for _ in range(6)]
    assert {reply.id for reply in replies} == {"first", "", *(f"waiting {i}" for i in range(4))}
    assert [reply.id for reply in replies if isinstance(reply, Error)] == ["first"]
    assert running.stats().shm_used_bytes == 0


def test_cancel_of_a_waiting_job_from_another_connection(running: LiveNode, peer: Peer) -> None:
    peer.send(segment("fragile", id="running", options={"work": 3600}), TINY)
    wait_for(running, "fragile", "busy")
    peer.send(segment("fragile", id="waiting"), TINY)
    with running.peer() as other:
        assert isinstance(other.ask(Ping()), object)
        assert other.ask(Cancel(target="waiting")).cancelled == 1
        assert error(peer.receive()[0], "cancelled").id == "waiting"
        assert other.ask(Cancel(target="waiting")).cancelled == 0
        assert other.ask(Cancel(target="running")).cancelled == 1
    assert error(peer.receive()[0], "cancelled").id == "running"
    assert_serves(peer)


def test_out_of_memory() -> None:
    settings = {"models": ["failing"], "default_model": "failing", "worker_memory_bytes": 400 << 20, "backoff_s": 0.05}
    with live_node(**settings) as node, node.peer() as peer:
        assert_serves(peer, "failing")
        pid = node.worker("failing").pid
        error(peer.ask(segment("failing", options={"allocate": 1 << 30}), TINY), "out_of_memory")
        assert_serves(peer, "failing")
        assert node.worker("failing").pid != pid


def test_pictures_are_let_go_after_every_fault(running: LiveNode) -> None:
    stats = running.stats()
    assert stats.shm_used_bytes == 0
    assert stats.images == 0
