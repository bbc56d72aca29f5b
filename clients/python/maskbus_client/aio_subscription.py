"""What is published, one message after the other, for the asyncio client."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import zmq

from maskbus_client import sockets
from maskbus_client.aio_socket import Watched
from maskbus_client.errors import ClientClosed, DeadlineExceeded, MaskbusError
from maskbus_client.frame import Frame, FrameFilter
from maskbus_client.results import Result
from maskbus_client.topics import Filter, TopicFilter
from maskbus_wire.frames import Buffer

if TYPE_CHECKING:
    Context = zmq.Context[zmq.Socket[bytes]]

_AHEAD = 4
"""Messages read ahead of the caller; the rest waits in the socket's own, bounded queue."""


T = TypeVar("T")
S = TypeVar("S", bound="AsyncFeed[object]")


class AsyncFeed(AsyncIterator[T]):
    """Iterate over what is published under a topic. An asynchronous context manager; also closed by its client.

    One task at a time may iterate; `close` may come from any task of the loop, and ends the iteration.
    """

    def __init__(
        self,
        context: Context,
        find_endpoint: Callable[[], Awaitable[str]],
        topic: str,
        wanted: Filter[T],
        *,
        newest: bool,
        timeout: float | None,
    ) -> None:
        if timeout is not None and not timeout > 0:
            raise ValueError(f"A timeout is more than 0 seconds, not {timeout!r}.")
        self._filter = wanted
        self._context = context
        self._find_endpoint = find_endpoint
        self._name = topic
        self._newest = newest
        self._timeout = timeout
        self._closed = False
        self._client_closed = False
        self._watched: Watched | None = None
        self._ready: deque[T | MaskbusError] = deque()
        self._changed = asyncio.Event()
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """With `newest`: how many messages were passed over because a newer one was there. Otherwise 0."""
        return self._dropped

    async def __aenter__(self: S) -> S:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self: S) -> S:
        return self

    async def __anext__(self) -> T:
        """Return the next message.

        Raises:
            StopAsyncIteration: once the subscription has been closed.
            DeadlineExceeded: if none came in time; the subscription goes on.
            ProtocolError: if one came that cannot be read; the subscription goes on.
            NodeUnreachable: at the first one, if no node says where to subscribe.
            ClientClosed: once the client has been closed.
        """
        await self._open()
        if not self._ready and not self._closed:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), self._timeout)
            except asyncio.TimeoutError:
                message = f"Nothing was published under {self._name!r} for {self._timeout:g} s."
                raise DeadlineExceeded(message) from None
        if self._client_closed:
            raise ClientClosed("The client of this subscription is closed.")
        if self._closed:
            raise StopAsyncIteration
        found = self._ready.popleft()
        if self._watched is not None and not self._newest and not self._ready:
            self._watched.resume()
        if isinstance(found, MaskbusError):
            raise found
        return found

    def close(self) -> None:
        """End the subscription, and an iteration that waits."""
        self._closed = True
        self._ready.clear()
        self._changed.set()
        if self._watched is not None:
            self._watched.close()

    def close_with_client(self) -> None:
        """End the subscription because its client is closed: an iteration raises ClientClosed."""
        self._client_closed = not self._closed
        self.close()

    async def _open(self) -> None:
        if self._watched is None and not self._closed:
            endpoint = await self._find_endpoint()
            if self._watched is None and not self._closed:
                socket = sockets.open_subscriber(self._context, endpoint, self._filter.wanted)
                self._watched = Watched(socket, self._deliver)

    def _deliver(self, frames: list[Buffer]) -> None:
        found: T | MaskbusError | None
        try:
            found = self._filter.read(frames)
        except MaskbusError as error:
            found = error
        if found is None:
            return
        if self._newest:
            self._dropped += sum(not isinstance(passed, MaskbusError) for passed in self._ready)
            self._ready.clear()
        self._ready.append(found)
        self._changed.set()
        if not self._newest and len(self._ready) >= _AHEAD and self._watched is not None:
            self._watched.pause()


class AsyncSubscription(AsyncFeed[Result]):
    """Iterate over the results published under a topic. An asynchronous context manager; also closed by its client.

    One task at a time may iterate; `close` may come from any task of the loop, and ends the iteration.
    """

    def __init__(
        self,
        context: Context,
        find_endpoint: Callable[[], Awaitable[str]],
        topic: str,
        *,
        encoding: str | None,
        newest: bool,
        timeout: float | None,
        prefix: bool,
    ) -> None:
        wanted = TopicFilter(topic, encoding=encoding, prefix=prefix)
        super().__init__(context, find_endpoint, topic, wanted, newest=newest, timeout=timeout)


class AsyncFrameSubscription(AsyncFeed[Frame]):
    """Iterate over the frames of a stream, as the node receives them; else as `AsyncSubscription`."""

    def __init__(
        self,
        context: Context,
        find_endpoint: Callable[[], Awaitable[str]],
        stream: str,
        *,
        newest: bool,
        timeout: float | None,
    ) -> None:
        wanted = FrameFilter(stream)
        super().__init__(context, find_endpoint, wanted.topic, wanted, newest=newest, timeout=timeout)
