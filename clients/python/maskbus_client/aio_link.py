"""One connection that many asyncio calls share, and what has come over it for each of them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

import zmq

from maskbus_client import sockets
from maskbus_client.aio_socket import Watched
from maskbus_client.link import Arrival, Garbage, Link
from maskbus_wire.frames import Buffer

if TYPE_CHECKING:
    Context = zmq.Context[zmq.Socket[bytes]]


class SharedLink(Link):
    """A connection with its socket, and who waits for what over it."""

    def __init__(self, context: Context, endpoint: str) -> None:
        super().__init__()
        self.inboxes: dict[str, Inbox] = {}
        self.users = 0
        socket = sockets.open_dealer(context, endpoint)
        # A `cancel` that was sent last still goes out, to a node that takes it.
        socket.setsockopt(zmq.LINGER, 100)
        self.watched = Watched(socket, self._deliver)

    def _deliver(self, frames: list[Buffer]) -> None:
        arrival = self.open(frames)
        if arrival is None:
            return
        inbox = self.inboxes.get(arrival.id) if isinstance(arrival, Arrival) else None
        if inbox is not None:
            inbox.put(arrival)
            return
        waiting = set(self.inboxes.values())
        if isinstance(arrival, Arrival):
            if arrival.id:
                return  # an answer nobody waits for any more
            if len(waiting) > 1:
                # An error without an id is about one of these calls; nobody can say which.
                arrival = Garbage(str(arrival.plain.get("message", "an error without an id")))
        for inbox in waiting:
            inbox.put(arrival)


class Inbox:
    """What has come for one call."""

    def __init__(self) -> None:
        self._messages: deque[Arrival | Garbage] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._failure: Exception | None = None

    def put(self, message: Arrival | Garbage) -> None:
        """Hand the call a message."""
        self._messages.append(message)
        self._wake(self._waiter)

    def fail(self, error: Exception) -> None:
        """Have the call raise, now and whenever it waits again."""
        self._failure = error
        self._wake(self._waiter)

    async def get(self, until: float) -> Arrival | Garbage | None:
        """Return the next message, or None once the clock says `until`."""
        if not self._messages and self._failure is None:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(max(0.0, until - time.monotonic()), self._wake, self._waiter)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        if self._failure is not None:
            raise self._failure
        return self._messages.popleft() if self._messages else None

    @staticmethod
    def _wake(waiter: asyncio.Future[None] | None) -> None:
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
