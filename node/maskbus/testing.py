"""A whole node inside the calling process, for tests: no port, no worker process, the same code everywhere else.

from maskbus.testing import node

with node({"mine": MyHandler}) as running, running.client() as client:
    result = client.segment(image, points=[(10, 20)], model="mine")
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import zmq

from maskbus.config import Config
from maskbus.engine import catalogue
from maskbus.engine.launch import ThreadLauncher
from maskbus.interfaces import Handler
from maskbus.node import Bus

if TYPE_CHECKING:
    from maskbus_client import AsyncClient, Client

_ENDPOINT = "inproc://requests"
_TOPICS = "inproc://topics"


class RunningNode:
    """A node that runs in a thread. Its sockets are reachable within `context` only."""

    def __init__(self, bus: Bus, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self.bus = bus
        self.context = context
        self.endpoint = bus.endpoints[0]
        self.publish_endpoint = bus.publish_endpoints[0]

    def client(self, **arguments: Any) -> Client:
        """Return a client of this node; `arguments` are those of `maskbus_client.Client`."""
        from maskbus_client import Client

        return Client(self.endpoint, context=self.context, **arguments)

    def async_client(self, **arguments: Any) -> AsyncClient:
        """Return an asyncio client of this node; `arguments` are those of `maskbus_client.AsyncClient`."""
        from maskbus_client import AsyncClient

        return AsyncClient(self.endpoint, context=self.context, **arguments)


@contextmanager
def node(handlers: Mapping[str, type[Handler]] | None = None, **settings: Any) -> Iterator[RunningNode]:
    """Run a node in this process for the length of a `with` block.

    Args:
        handlers: Model name → handler class, the first is the default model; None: the built-in echo and grabcut.
        settings: Fields of `maskbus.config.Config`.
    """
    if handlers is None:
        from maskbus.handlers.echo import EchoHandler
        from maskbus.handlers.grabcut import GrabCutHandler

        handlers = {"grabcut": GrabCutHandler, "echo": EchoHandler}
    defaults = {"bind": [_ENDPOINT], "publish": [_TOPICS], "ipc": False, "default_model": next(iter(handlers))}
    config = msgspec.convert({**defaults, **settings}, Config)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        bus = Bus(config, catalogue.of(handlers, config), context=context, launcher=ThreadLauncher(handlers))
        thread = threading.Thread(target=bus.run, name="maskbus node")
        thread.start()
        try:
            yield RunningNode(bus, context)
        finally:
            bus.stop()
            thread.join()
    finally:
        context.destroy(linger=0)  # also what a failed test has left open
