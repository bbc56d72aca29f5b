"""Requests whose answer is being looked for: what becomes of them where that takes long."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from maskbus.node import bus
from maskbus.results import MemoryStore
from maskbus.results.store import Then
from maskbus.testing import node
from maskbus_wire import replies
from maskbus_wire.prompts import Prompt
from maskbus_wire.requests import Cancel, Ping
from support import waiting
from support.peer import TINY, Peer
from support.questions import Counting, ask, question, stats


class Held(MemoryStore):
    """A store that says nothing until it may."""

    def __init__(self) -> None:
        super().__init__(1 << 20)
        self.may_tell = threading.Event()
        self.asked = threading.Semaphore(0)
        self._waiting: list[tuple[str, Then]] = []

    def lookup(self, key: str, then: Then) -> None:
        self._waiting.append((key, then))
        self.asked.release()

    def tick(self, now: float) -> None:
        super().tick(now)
        if self.may_tell.is_set():
            waiting, self._waiting = self._waiting, []
            for key, then in waiting:
                super().lookup(key, then)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    store = Held()
    monkeypatch.setattr(bus, "_store", lambda *_: store)
    return store


def warm(peer: Peer) -> None:
    """Have the model loaded and one answer kept."""
    assert not ask(peer, question(fresh=True))[0].reused


@pytest.mark.parametrize("prompt", [Prompt(points=[(1.5, 1.5)]), Prompt()], ids=["hit", "miss"])
def test_cancelled_while_it_is_looked_for(held: Held, prompt: Prompt) -> None:
    with node({"counting": Counting}) as running, Peer(running.context, running.endpoint) as peer:
        warm(peer)
        decodes = Counting.decodes
        peer.send(question(id="a", prompt=prompt), TINY)
        assert held.asked.acquire(timeout=10)
        peer.send(Cancel(id="c", target="a"))
        got = sorted((peer.receive()[0] for _ in range(2)), key=lambda reply: reply.id)
        assert isinstance(got[0], replies.Error)
        assert (got[0].id, got[0].code, got[1].cancelled) == ("a", "cancelled", 1)
        held.may_tell.set()
        assert isinstance(peer.ask(Ping()), replies.Pong)
        waiting.until(lambda: stats(peer).shm_used_bytes == 0, "it holds its image still")
        assert peer.quiet()
        assert Counting.decodes == decodes


def test_out_of_time_while_it_is_looked_for(held: Held) -> None:
    with node({"counting": Counting}) as running, Peer(running.context, running.endpoint) as peer:
        warm(peer)
        late = peer.ask(question(id="a", deadline_ms=50), TINY)
        assert isinstance(late, replies.Error)
        assert late.code == "deadline_exceeded"
        held.may_tell.set()
        waiting.until(lambda: stats(peer).shm_used_bytes == 0, "it holds its image still")
        assert peer.quiet()


def test_stopped_while_it_is_looked_for(held: Held) -> None:
    with node({"counting": Counting}) as running, Peer(running.context, running.endpoint) as peer:
        warm(peer)
        peer.send(question(id="a"), TINY)
        assert held.asked.acquire(timeout=10)
        running.bus.stop()
        reply, _ = peer.receive()
        assert isinstance(reply, replies.Error)
        assert (reply.id, reply.code) == ("a", "shutting_down")


def test_many_are_looked_for_at_once(held: Held) -> None:
    with node({"counting": Counting}) as running, Peer(running.context, running.endpoint) as peer:
        warm(peer)
        for i in range(20):
            peer.send(question(id=str(i), prompt=Prompt(points=[(1.5, 1.5 if i % 2 else 2.5)])), TINY)
        held.may_tell.set()
        peer.send(Ping(id="ping"))
        got: Sequence[Any] = [peer.receive()[0] for _ in range(21)]
        assert sorted(reply.id for reply in got) == sorted(["ping", *map(str, range(20))])
        assert all(reply.reused for reply in got if reply.id != "ping" and int(reply.id) % 2)
