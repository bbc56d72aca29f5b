"""What is left when whole processes are killed: the node, a client, both."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import zmq

from maskbus_client import Client
from maskbus_wire.replies import Error, Masks, Statistics
from maskbus_wire.requests import Stats
from support.peer import TINY, Peer, segment
from support.processes import node_process

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")


@pytest.fixture
def context() -> Iterator[zmq.Context]:
    made: zmq.Context = zmq.Context()
    yield made
    made.destroy(linger=0)


def instance_of(pid: int) -> Path:
    """Return the directory in shared memory whose lock the process holds."""
    locks = [Path(file.path) for file in psutil.Process(pid).open_files() if Path(file.path).name == "lock"]
    assert len(locks) == 1
    return locks[0].parent


def statistics(peer: Peer) -> Statistics:
    reply = peer.ask(Stats())
    assert isinstance(reply, Statistics)
    return reply


def test_killed_node_leaves_nothing_for_long(context: zmq.Context, tmp_path: Path) -> None:
    private = ("--image-dir", str(tmp_path / "images"))  # no other node shall sweep it first
    with node_process(*private) as node, Peer(context, node.endpoint) as peer:
        assert isinstance(peer.ask(segment(keep=True), TINY), Masks)
        worker = psutil.Process(statistics(peer).workers[0].pid)
        left = instance_of(node.process.pid)
        node.kill()
        worker.wait(20)  # a worker whose node is gone ends by itself
        assert any(left.iterdir())
        with node_process(*private) as successor:
            assert not left.exists()
            assert instance_of(successor.process.pid).exists()


def test_worker_that_computes_ends_with_its_node(context: zmq.Context) -> None:
    with node_process("--heartbeat-s", "0.2", models=["failing"]) as node, Peer(context, node.endpoint) as peer:
        peer.send(segment("failing", options={"hang": 3600}), TINY)
        while (stats := statistics_from(context, node.endpoint)).workers[0].state != "busy":
            pass
        worker = psutil.Process(stats.workers[0].pid)
        node.kill()
        worker.wait(20)


def statistics_from(context: zmq.Context, endpoint: str) -> Statistics:
    with Peer(context, endpoint) as other:
        return statistics(other)


def test_living_neighbour_is_left_alone() -> None:
    with node_process() as one, node_process() as other:
        assert instance_of(one.process.pid).exists()
        assert instance_of(other.process.pid).exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_answers_what_is_in_flight(context: zmq.Context, number: int) -> None:
    with node_process(models=["failing"]) as node, Peer(context, node.endpoint) as peer:
        peer.send(segment("failing", id="running", options={"work": 1}, keep=True), TINY)
        peer.send(segment("failing", id="waiting"), TINY)
        while True:
            stats = statistics_from(context, node.endpoint)
            if stats.models and (stats.models[0].running, stats.models[0].queued) == (1, {"interactive": 1}):
                break
        worker = psutil.Process(stats.workers[0].pid)
        left = instance_of(node.process.pid)
        node.signal(number)
        replies = {reply.id: reply for reply in (peer.receive()[0] for _ in range(2))}
        assert isinstance(replies["running"], Masks)
        waiting = replies["waiting"]
        assert isinstance(waiting, Error)
        assert waiting.code == "shutting_down"
        assert node.wait() == 0
        worker.wait(20)
        assert not left.exists()


def test_second_signal_ends_at_once(context: zmq.Context) -> None:
    with node_process(models=["failing"]) as node, Peer(context, node.endpoint) as peer:
        peer.send(segment("failing", options={"hang": 3600}), TINY)
        while not (stats := statistics_from(context, node.endpoint)).workers or stats.workers[0].state != "busy":
            pass
        node.signal()
        with Peer(context, node.endpoint) as other:
            while not isinstance(other.ask(segment("failing"), TINY), Error):
                pass  # two signals of one kind that come at once are one
            node.signal()
        reply, _ = peer.receive()
        assert isinstance(reply, Error)
        assert reply.code == "shutting_down"
        assert node.wait() == 0


def test_client_killed_in_mid_request(context: zmq.Context) -> None:
    code = """
import sys, numpy as np
from maskbus_client import Client
client = Client(sys.argv[1])
client.ping()
print("asking", flush=True)
client.segment(np.zeros((1080, 1920, 3), np.uint8), model="failing", options={"work": 0.5}, keep=True)
"""
    with node_process(models=["failing"]) as node, Peer(context, node.endpoint) as peer:
        with subprocess.Popen([sys.executable, "-c", code, node.endpoint], stdout=subprocess.PIPE) as client:
            assert client.stdout is not None
            client.stdout.readline()
            while not (stats := statistics(peer)).workers or stats.workers[0].state != "busy":
                pass
            client.kill()
        assert isinstance(peer.ask(segment("failing"), TINY), Masks)
        stats = statistics(peer)
        assert stats.shm_used_bytes == stats.images * stats.shm_used_bytes
        assert stats.unanswerable <= 1  # 1: the reply found nobody; 0: the system had not noticed yet


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_node_restarted_under_a_waiting_client() -> None:
    """The request was lost with the first node; the client sends it again to the second one by itself."""
    bind = f"tcp://127.0.0.1:{free_port()}"
    found: list[object] = []
    with Client(bind) as client:
        with node_process(bind=bind, models=["failing"]) as first:
            client.ping()
            thread = threading.Thread(
                target=lambda: found.append(client.segment(TINY, model="failing", options={"work": 3}, deadline=60))
            )
            thread.start()
            with Client(first.endpoint) as other:
                while not (stats := other.stats()).workers or stats.workers[0].state != "busy":
                    pass
            first.kill()
        with node_process(bind=bind, models=["failing"]):
            thread.join(60)
        assert not thread.is_alive()
    assert found, "the call raised"


def test_image_handle_survives_a_restart() -> None:
    bind = f"tcp://127.0.0.1:{free_port()}"
    with Client(bind) as client:
        with node_process(bind=bind):
            handle = client.image(TINY, model="echo")
            assert len(handle.segment(box=(0, 0, 2, 2), model="echo")) == 1
        with node_process(bind=bind):
            assert handle.segment(box=(0, 0, 2, 2), model="echo").masks[0].area == 4
            handle.release()


def test_port_that_is_taken() -> None:
    with node_process() as node:
        command = [sys.executable, "-m", "maskbus", "serve", "--no-ipc", "--bind", node.endpoint]
        second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert second.returncode != 0
        assert node.endpoint in second.stderr
        assert "Traceback" not in second.stderr
