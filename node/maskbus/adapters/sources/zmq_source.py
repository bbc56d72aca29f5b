"""Sources that other programs send by ZeroMQ, in formats of their own."""

from __future__ import annotations

from abc import abstractmethod
from urllib.parse import urlsplit

import zmq

from maskbus.adapters.sources.live import MOST_CAMERAS, LiveSource
from maskbus.adapters.sources.source import Captured, SourceFailed, Tell
from maskbus_wire.limits import DEFAULT_LIMITS

_SLICE_MS = 100


class BadMessage(Exception):
    """Say in one sentence why a message is none."""


class ZmqSource(LiveSource):
    """Read messages from one socket. What cannot be read is counted; of the first of it the user is told."""

    def __init__(self, title: str, tell: Tell) -> None:
        super().__init__(tell)
        self._title = title
        self._told = False
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()

    @abstractmethod
    def _frames_in(self, parts: list[bytes]) -> list[Captured]:
        """Return the frames in a message. BadMessage if it is none."""

    def _open(self, kind: int, host: str, port: int, *, bind: bool) -> zmq.Socket[bytes]:
        """Return the socket. SourceFailed if it cannot be bound."""
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.IPV6, 1)
        # Nothing larger is ever allocated: the transport drops who sends it.
        socket.setsockopt(zmq.MAXMSGSIZE, DEFAULT_LIMITS.frame_bytes)
        socket.setsockopt(zmq.RCVHWM, 2)
        socket.setsockopt(zmq.RCVTIMEO, _SLICE_MS)
        socket.setsockopt(zmq.SNDTIMEO, _SLICE_MS)
        # A machine that has vanished without a word is connected to again.
        socket.setsockopt(zmq.HEARTBEAT_IVL, 5_000)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 15_000)
        where = f"tcp://{f'[{host}]' if ':' in host else host}:{port or '*'}"
        try:
            if bind:
                socket.bind(where)
            else:
                socket.connect(where)
        except zmq.ZMQError as error:
            socket.close()
            self._context.term()
            raise SourceFailed(f"{self._title}: {error}.") from None
        return socket

    def _receive(self, socket: zmq.Socket[bytes], most: int) -> list[bytes] | None:
        """Return the parts of the next message, at most so many and one more; None if none came for a while."""
        try:
            parts = [socket.recv()]
        except zmq.Again:
            return None
        while socket.getsockopt(zmq.RCVMORE):
            part = socket.recv()
            if len(parts) <= most:
                parts.append(part)
        return parts

    def _take(self, parts: list[bytes]) -> str:
        """Take the frames of a message; return "", or why there are none."""
        try:
            found = self._frames_in(parts)
        except BadMessage as error:
            self.unreadable += 1
            self._tell_once(str(error))
            return str(error)
        for frame in found:
            if not self._put(frame):
                self.unreadable += 1
                reason = f"more than {MOST_CAMERAS} senders' names: those of later ones are ignored"
                self._tell_once(reason)
                return reason
        return ""

    def _tell_once(self, reason: str) -> None:
        if not self._told:
            self._told = True
            self._tell(f"{self._title}: a frame cannot be used: {reason}. Others like it are only counted.")


def host_and_port(source: str, *, form: str) -> tuple[str, int, str]:
    """Return host, port, and what follows the next slash, of SCHEME://HOST:PORT/MORE. SourceFailed if it is not one.

    Args:
        source: As the user has typed it.
        form: What it should look like.
    """
    parts = urlsplit(source)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None or parts.query or parts.fragment or parts.username is not None:
        raise SourceFailed(f"{source}: this kind of source is {form}.")
    return host, port, parts.path.strip("/")
