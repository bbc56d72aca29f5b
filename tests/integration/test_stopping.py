"""The end of a node: what is answered, and what is left behind, which is nothing."""

from __future__ import annotations

import os
import signal
import threading

import msgspec
import pytest
import zmq

from maskbus import directories
from maskbus.config import Config
from maskbus.engine import catalogue
from maskbus.engine.launch import ThreadLauncher
from maskbus.handlers.echo import EchoHandler
from maskbus.node import Bus, CannotBind
from maskbus.testing import node
from maskbus_wire import replies
from maskbus_wire.requests import Embed, Ping
from support.models import PATIENCE_S, Gate
from support.nodes import live_node
from support.peer import TINY, Peer, raw, segment

TCP = {"bind": ["tcp://127.0.0.1:*"], "publish": ["tcp://127.0.0.1:*"]}


@pytest.fixture
def gate():
    made = Gate()
    yield made
    made.open()


@pytest.fixture
def context():
    made = zmq.Context()
    yield made
    made.destroy(linger=0)


@pytest.fixture
def start(tmp_path):
    """Start a node in a thread that the test stops itself."""
    started = []

    def start(handlers, **settings):
        defaults = {**TCP, "runtime_dir": str(tmp_path / "run"), "default_model": next(iter(handlers))}
        config = msgspec.convert({**defaults, **settings}, Config)
        bus = Bus(config, catalogue.of(handlers, config), launcher=ThreadLauncher(handlers))
        thread = threading.Thread(target=bus.run)
        thread.start()
        started.append((bus, thread))
        return bus, thread

    yield start
    for bus, thread in started:
        bus.stop()
        bus.stop()
        thread.join()


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """Shared memory that no other node on this machine uses."""
    path = tmp_path / "memory"
    monkeypatch.setattr(directories, "shared_memory", lambda *_: directories.private(path))
    return lambda: {found for found in path.iterdir() if found.is_dir()} if path.exists() else set()


def ended(thread):
    thread.join(PATIENCE_S)
    return not thread.is_alive()


def test_what_is_in_flight_is_answered_and_what_waits_is_told(start, gate, context):
    bus, thread = start({"gated": gate.handler})
    with Peer(context, bus.endpoints[0]) as peer:
        peer.send(segment("gated", id="running"), TINY)
        gate.wait_until_entered()
        for i in range(3):
            peer.send(segment("gated", id=f"waiting {i}"), TINY)
        assert isinstance(peer.ask(Ping()), replies.Pong)
        bus.stop()
        for i in range(3):
            reply, _ = peer.receive()
            assert (reply.id, reply.code) == (f"waiting {i}", "shutting_down")
        late = peer.ask(segment("gated", id="late"), TINY)
        assert (late.id, late.code) == ("late", "shutting_down")
        assert isinstance(peer.ask(Ping()), replies.Pong)
        gate.open()
        reply, _ = peer.receive()
        assert (reply.id, type(reply)) == ("running", replies.Masks)
        assert ended(thread)


def test_a_second_stop_ends_at_once(start, gate, context):
    bus, thread = start({"gated": gate.handler}, stop_timeout_s=3600.0)
    with Peer(context, bus.endpoints[0]) as peer:
        peer.send(segment("gated", id="running"), TINY)
        gate.wait_until_entered()
        bus.stop()
        while peer.ask(segment("gated"), TINY).code != "shutting_down":
            pass
        bus.stop()
        reply, _ = peer.receive()
        assert (reply.id, reply.code) == ("running", "shutting_down")
        gate.open()
        assert ended(thread)


def test_two_stops_before_the_node_looks(start, gate, context):
    bus, thread = start({"gated": gate.handler}, stop_timeout_s=3600.0)
    with Peer(context, bus.endpoints[0]) as peer:
        peer.send(segment("gated", id="running"), TINY)
        gate.wait_until_entered()
        bus.stop()
        bus.stop()
        assert peer.receive()[0].code == "shutting_down"
        gate.open()
        assert ended(thread)


def test_what_takes_too_long_is_told(start, gate, context):
    bus, thread = start({"gated": gate.handler}, stop_timeout_s=0.01)
    with Peer(context, bus.endpoints[0]) as peer:
        peer.send(segment("gated", id="running"), TINY)
        gate.wait_until_entered()
        bus.stop()
        assert peer.receive()[0].code == "shutting_down"
        gate.open()
        assert ended(thread)


def test_stop_after_the_end_is_harmless(start):
    bus, thread = start({"echo": EchoHandler})
    bus.stop()
    assert ended(thread)
    bus.stop()
    bus.close()


def test_nothing_is_left_behind(tmp_path, memory):
    runtime = tmp_path / "run"
    with live_node(models=["echo"], ipc=zmq.has("ipc"), runtime_dir=str(runtime)) as running:
        with running.peer() as peer:
            kept = peer.ask(Embed(image=raw(), model="echo"), TINY)
            assert isinstance(kept, replies.Embedded)
        (mine,) = memory()
        assert len(list(mine.iterdir())) == 2  # the lock and the image
        assert len(list(runtime.iterdir())) == (2 if zmq.has("ipc") else 0)
        pid = running.worker("echo").pid
    assert memory() == set()
    assert not runtime.exists() or list(runtime.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
def test_a_worker_that_does_not_listen_is_ended_by_force():
    with live_node(models=["echo"]) as running:
        with running.peer() as peer:
            peer.ask(segment(), TINY)
        pid = running.worker("echo").pid
        os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_endpoint_that_is_taken(tmp_path, memory):
    with node({"echo": EchoHandler}, **TCP) as running:
        during = memory()
        assert len(during) == 1
        for settings in ({"bind": [running.endpoint]}, {"publish": [running.endpoint]}):
            config = msgspec.convert({**TCP, "runtime_dir": str(tmp_path / "run"), **settings}, Config)
            with pytest.raises(CannotBind, match=f"{running.endpoint}.*something else"):
                Bus(config, catalogue.of({"echo": EchoHandler}, config))
        assert memory() == during
        with Peer(running.context, running.endpoint) as peer:
            assert isinstance(peer.ask(Ping()), replies.Pong)
    assert memory() == set()


def test_the_same_port_can_be_bound_again_at_once(start, context):
    bus, thread = start({"echo": EchoHandler})
    endpoint = bus.endpoints[0]
    with Peer(context, endpoint) as peer:
        first = peer.ask(Ping()).node
    bus.stop()
    assert ended(thread)
    bus, _ = start({"echo": EchoHandler}, bind=[endpoint])
    with Peer(context, endpoint) as peer:
        assert peer.ask(Ping()).node != first


def test_a_runtime_directory_that_is_open_to_others(tmp_path):
    if not zmq.has("ipc") or os.name == "nt":
        pytest.skip("no ipc here")
    (tmp_path / "run").mkdir(mode=0o755)
    config = msgspec.convert({**TCP, "runtime_dir": str(tmp_path / "run")}, Config)
    with pytest.raises(directories.UnsafeDirectory):
        Bus(config, catalogue.of({"echo": EchoHandler}, config))
    assert list((tmp_path / "run").iterdir()) == []
