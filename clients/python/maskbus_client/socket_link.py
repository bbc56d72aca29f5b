"""One connection of the blocking client, used by one call at a time."""

from __future__ import annotations

import zmq

from maskbus_client import sockets
from maskbus_client.link import Link, new_id
from maskbus_wire import requests
from maskbus_wire.frames import encode


class SocketLink(Link):
    """A connection with its socket."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        super().__init__()
        self.socket = socket
        self._timeout_ms = -1

    def patience(self, seconds: float) -> None:
        """Have the next receive give up after so long; the socket is only told where that changes."""
        timeout_ms = int(seconds * 1000) + 1
        if timeout_ms != self._timeout_ms:
            self.socket.setsockopt(zmq.RCVTIMEO, timeout_ms)
            self._timeout_ms = timeout_ms

    def abandon(self, id: str) -> None:
        """Tell the node that nobody waits for an answer any more, without waiting for it to say so."""
        self.linger()
        sockets.send(self.socket, encode(requests.Cancel(id=new_id(), target=id)), copy=True)

    def linger(self) -> None:
        """Have what is sent next go out even if the socket is closed at once."""
        self.socket.setsockopt(zmq.LINGER, 100)
