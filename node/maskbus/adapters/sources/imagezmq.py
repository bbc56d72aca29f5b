"""What imagezmq's senders send, each under a name of its own."""

from __future__ import annotations

import contextlib
import time

import zmq

from maskbus.adapters.sources import imagezmq_message
from maskbus.adapters.sources.source import Captured, Tell
from maskbus.adapters.sources.zmq_source import ZmqSource

_OK = b"OK"


class ImagezmqHub(ZmqSource):
    """Bind, and take what any number of REQ senders send. Each is answered at once, whatever becomes of its frame."""

    def __init__(self, host: str, port: int, tell: Tell) -> None:
        """Bind to HOST:PORT; port 0 is any. SourceFailed if it cannot be."""
        super().__init__(f"imagezmq://{host}:{port}", tell)
        self._socket = self._open(zmq.REP, host, port, bind=True)

    @property
    def name(self) -> str:
        """See `Source`."""
        return "imagezmq"

    @property
    def endpoint(self) -> str:
        """Where it is bound."""
        return self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def _read(self) -> None:
        while not self._ending.is_set():
            parts = self._receive(self._socket, imagezmq_message.PARTS)
            if parts is None:
                continue
            wrong = self._take(parts)
            with contextlib.suppress(zmq.Again):  # the sender has gone
                self._socket.send(wrong.encode() or _OK)

    def _frames_in(self, parts: list[bytes]) -> list[Captured]:
        return [imagezmq_message.read(parts, time.time_ns())]

    def _release(self) -> None:
        self._socket.close()
        self._context.term()


class ImagezmqPublisher(ZmqSource):
    """Connect to a sender that publishes."""

    def __init__(self, host: str, port: int, tell: Tell) -> None:
        """Connect to HOST:PORT, whether or not anybody is there yet. SourceFailed if that can be no address."""
        super().__init__(f"imagezmq+sub://{host}:{port}", tell)
        self._socket = self._open(zmq.SUB, host, port, bind=False)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")

    @property
    def name(self) -> str:
        """See `Source`."""
        return "imagezmq"

    def _read(self) -> None:
        while not self._ending.is_set():
            parts = self._receive(self._socket, imagezmq_message.PARTS)
            if parts is not None:
                self._take(parts)

    def _frames_in(self, parts: list[bytes]) -> list[Captured]:
        return [imagezmq_message.read(parts, time.time_ns())]

    def _release(self) -> None:
        self._socket.close()
        self._context.term()
