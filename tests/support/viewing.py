"""A viewer in a thread, and a page that is a test."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

from maskbus.adapters.viewer.server import Server

PATIENCE = 20.0


@contextmanager
def viewer(endpoint: str, **arguments: Any) -> Iterator[Server]:
    """Serve the page of a node's streams."""
    server = Server(endpoint, port=0, **arguments)
    thread = threading.Thread(target=server.run, name="viewer")
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def address(server: Server) -> str:
    """Return host and port."""
    return urlsplit(server.url).netloc


def token(server: Server) -> str:
    return urlsplit(server.url).query.removeprefix("token=")


class Picture:
    def __init__(self, data: bytes) -> None:
        length = int.from_bytes(data[:4], "little")
        self.head: dict[str, Any] = json.loads(data[4 : 4 + length])
        self.jpeg = data[4 + length :]


class Page:
    """What a browser does, without the browser."""

    def __init__(self, server: Server, *, greet: bool = True, **arguments: Any) -> None:
        where = address(server)
        self._connect = connect(f"ws://{where}/live", **{"origin": f"http://{where}", "compression": None, **arguments})
        self._token = token(server) if greet else ""

    def __enter__(self) -> Page:
        self.socket: ClientConnection = self._connect.__enter__()
        if self._token:
            self.send(do="hello", token=self._token)
        return self

    def __exit__(self, *error: Any) -> None:
        self._connect.__exit__(*error)

    def send(self, **command: Any) -> None:
        self.socket.send(json.dumps(command))

    def receive(self, *, ack: bool = True) -> Any:
        """Return the next message: a Picture, or what was told."""
        message = self.socket.recv(PATIENCE)
        if ack:
            self.send(do="ack")
        return json.loads(message) if isinstance(message, str) else Picture(message)

    def until(self, wanted: Callable[[Any], bool]) -> Any:
        """Return the first message that is wanted; those before it are looked at and forgotten."""
        while not wanted(message := self.receive()):
            pass
        return message

    def picture(self, wanted: Callable[[dict[str, Any]], bool] = lambda head: True) -> Picture:
        found = self.until(lambda message: isinstance(message, Picture) and wanted(message.head))
        assert isinstance(found, Picture)
        return found

    def told(self, kind: str, wanted: Callable[[dict[str, Any]], bool] = lambda message: True) -> dict[str, Any]:
        found = self.until(lambda message: isinstance(message, dict) and message["kind"] == kind and wanted(message))
        assert isinstance(found, dict)
        return found
