"""Which topics are subscribed to, and the sockets that their messages come from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import zmq

from maskbus_client.aio_socket import Watched
from maskbus_client.link import REPLY_LIMITS
from maskbus_wire.frames import Buffer

if TYPE_CHECKING:
    Context = zmq.Context[zmq.Socket[bytes]]

_WAITING = 8
"""Messages that may wait in a socket; the node drops further ones. Frames are large."""


class Subscriptions:
    """Subscribe to what is wanted now, at the node's endpoint of now.

    Frames and masks come over a connection each: where frames are dropped for want of room, masks are not.
    """

    def __init__(self, context: Context, deliver: Callable[[list[Buffer]], None]) -> None:
        """Begin with nothing; `deliver` gets the parts of each message, in the running event loop."""
        self._context = context
        self._deliver = deliver
        self._endpoint = ""
        self._open: dict[bytes, Subscriber] = {}

    @property
    def topics(self) -> set[bytes]:
        """What is subscribed to."""
        return {topic for one in self._open.values() for topic in one.topics}

    def move(self, endpoint: str) -> None:
        """Go to where the node publishes now. Does nothing if that is where it did before."""
        if endpoint != self._endpoint:
            self.close()
            self._endpoint = endpoint

    def set(self, frames: set[bytes], masks: set[bytes]) -> None:
        """Subscribe to these topics, and to no others."""
        for kind, topics in ((b"frames", frames), (b"masks", masks)):
            if not self._endpoint or (not topics and kind not in self._open):
                continue
            if kind not in self._open:
                self._open[kind] = Subscriber(self._context, self._endpoint, self._deliver)
            self._open[kind].set(topics)

    def close(self) -> None:
        """Close the connections."""
        for one in self._open.values():
            one.close()
        self._open.clear()


class Subscriber:
    """One SUB socket."""

    def __init__(self, context: Context, endpoint: str, deliver: Callable[[list[Buffer]], None]) -> None:
        self.topics: set[bytes] = set()
        self._socket = context.socket(zmq.SUB)
        try:
            self._socket.setsockopt(zmq.LINGER, 0)
            self._socket.setsockopt(zmq.RCVHWM, _WAITING)
            self._socket.setsockopt(zmq.MAXMSGSIZE, REPLY_LIMITS.frame_bytes)
            if endpoint.startswith("tcp://"):
                self._socket.setsockopt(zmq.IPV6, 1)
                # A machine that vanished without a word would otherwise never be noticed, nor connected to again.
                self._socket.setsockopt(zmq.HEARTBEAT_IVL, 5_000)
                self._socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 15_000)
            self._socket.connect(endpoint)
            self._watched = Watched(self._socket, deliver)
        except BaseException:
            self._socket.close()
            raise

    def set(self, topics: set[bytes]) -> None:
        """Subscribe to these topics, and to no others."""
        for topic in self.topics - topics:
            self._socket.setsockopt(zmq.UNSUBSCRIBE, topic)
        for topic in topics - self.topics:
            self._socket.setsockopt(zmq.SUBSCRIBE, topic)
        self.topics = set(topics)
        with suppress(zmq.ZMQError):
            # What was asked of the socket may have swallowed its notice of messages.
            self._watched.resume()

    def close(self) -> None:
        """Close the socket."""
        self._watched.close()
