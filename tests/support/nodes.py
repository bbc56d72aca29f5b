"""Nodes with real worker processes, run in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import zmq

from maskbus.config import Config
from maskbus.engine import catalogue
from maskbus.node import Bus
from maskbus_wire.replies import Statistics, WorkerStats
from maskbus_wire.requests import Stats
from support.peer import Peer


class LiveNode:
    def __init__(self, bus: Bus, context: zmq.Context) -> None:
        self.bus = bus
        self.context = context
        self.tcp, self.topics = bus.endpoints[0], bus.publish_endpoints[0]

    def peer(self, kind: int = zmq.DEALER, endpoint: str = "") -> Peer:
        return Peer(self.context, endpoint or self.tcp, kind)

    def stats(self) -> Statistics:
        with self.peer() as peer:
            reply = peer.ask(Stats())
        assert isinstance(reply, Statistics)
        return reply

    def worker(self, model: str) -> WorkerStats:
        return next(worker for worker in self.stats().workers if worker.model == model)


@contextmanager
def live_node(**settings: Any) -> Iterator[LiveNode]:
    """Run a node with worker processes; the settings are fields of Config."""
    defaults = {
        "bind": ["tcp://127.0.0.1:*"],
        "publish": ["tcp://127.0.0.1:*"],
        "ipc": False,
        "default_model": "echo",
        "preload": [],
    }
    config = msgspec.convert({**defaults, **settings}, Config)
    bus = Bus(config, catalogue.read(config))
    context: zmq.Context = zmq.Context()
    thread = threading.Thread(target=bus.run)
    thread.start()
    try:
        yield LiveNode(bus, context)
    finally:
        bus.stop()
        thread.join(30)
        context.destroy(linger=0)
        assert not thread.is_alive()
