"""A stream of the asyncio client: frames go out over a connection of their own, which the loop watches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import zmq

from maskbus_client import sockets
from maskbus_client.aio_socket import Watched
from maskbus_client.aio_subscription import AsyncFrameSubscription, AsyncSubscription
from maskbus_client.errors import ClientClosed, DeadlineExceeded, UnknownStream
from maskbus_client.operations import Operations, show_signature
from maskbus_client.stream_handle import FLUSH, StreamHandle
from maskbus_client.stream_sender import FrameSender
from maskbus_wire import replies

if TYPE_CHECKING:
    from typing import Concatenate, ParamSpec

    from maskbus_client.aio import AsyncClient
    from maskbus_client.image_input import Sendable
    from maskbus_client.steps import Flow

    P = ParamSpec("P")
    Context = zmq.Context[zmq.Socket[bytes]]

T = TypeVar("T")

_SLICE = 0.25
"""Seconds after which a frame that waits looks whether the node is to be asked something."""
_ROOM = 0.01
"""The same, where it waits for room in the connection, of which nobody tells the loop."""


def _on_stream(
    flow: Callable[Concatenate[Operations, FrameSender, P], Flow[T]],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """Return an operation on a stream as a coroutine of it."""

    @wraps(flow)
    async def method(self: AsyncStream, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._client._run(flow(self._client._operations, self._sender, *args, **kwargs))

    show_signature(method, flow, without="sender")
    return method


class AsyncStream(StreamHandle):
    """Send frames, and change what is looked for in them, as `Stream` does. An asynchronous context manager.

    One task at a time may `send`; all else may come from any task of the loop.
    """

    def __init__(self, client: AsyncClient, sender: FrameSender, context: Context) -> None:
        super().__init__(sender)
        self._client = client
        self._changed = asyncio.Event()
        self._closing = asyncio.Lock()
        self._counts: replies.StreamCounts | None = None
        self._watched = Watched(sockets.open_producer(context, client.endpoint), self._deliver)

    update = _on_stream(Operations.update_stream)
    add = _on_stream(Operations.add_to_stream)
    remove = _on_stream(Operations.remove_from_stream)
    info = _on_stream(Operations.describe_stream)

    async def send(
        self,
        image: Sendable,
        *,
        stamp: int | None = None,
        frame_id: str | None = None,
        seq: int | None = None,
        timeout: float | None = None,
        copy: bool = True,
    ) -> bool:
        """Send a frame, as `Stream.send` does. Only with "every" is anything waited for."""
        sender = self._sender
        patience = sender.patience(timeout)
        self._check_open()
        frame = sender.take(image, stamp, frame_id, seq)
        end = sender.peer.clock() + patience
        ready = None
        try:
            while True:
                self._check_open()
                self._look()
                if sender.has_credit and self._watched.has_room():
                    ready = ready or sender.make(frame)
                    if ready is not None and self._watched.send(ready.frames, copy=copy and ready.copy):
                        sent, ready = ready, None
                        sender.handed_over(sent)
                        return True
                if sender.is_hurried:
                    sender.dropped += 1
                    return False
                if sender.peer.clock() >= end:
                    raise DeadlineExceeded(sender.why(patience))
                await self._wait(end - sender.peer.clock(), _ROOM if sender.has_credit else _SLICE)
        finally:
            if ready is not None:
                sender.take_back(ready)

    async def check(self) -> None:
        """Raise what the node has said to be wrong with frames since the last check; the last of it, if it is much."""
        if not self._watched.closed:
            self._look()
        self._sender.check()

    def results(
        self, *, encoding: str | None = None, newest: bool = True, timeout: float | None = None
    ) -> AsyncSubscription:
        """Return an iterator over the results, as `AsyncClient.subscribe`. Only what is subscribed to is looked at."""
        return self._client.subscribe(self.topic, encoding=encoding, newest=newest, timeout=timeout)

    def frames(self, *, newest: bool = True, timeout: float | None = None) -> AsyncFrameSubscription:
        """Return an iterator over the frames as the node receives them, as `AsyncClient.subscribe_frames` does."""
        return self._client.subscribe_frames(self.name, newest=newest, timeout=timeout)

    async def close(self) -> replies.StreamCounts:
        """End the stream, as `Stream.close` does; return what became of its frames."""
        return await self._close(drain=True)

    def close_with_client(self) -> None:
        """Close the connection because the client is closed: a frame that waits raises ClientClosed."""
        self._client_closed = not self._closed
        self._end()

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._close(drain=error is None)
        except Exception:
            # An error under way matters more than one about tidying up.
            if error is None:
                raise

    async def _close(self, *, drain: bool) -> replies.StreamCounts:
        async with self._closing:
            if self._counts is not None:
                return self._counts
            self._closed = True  # a frame that waits in another task is refused
            self._changed.set()
            try:
                if drain:
                    await self._drain()
            finally:
                self._end()
            self._counts = replies.StreamCounts()
            try:
                await self._client._run(self._sender.shut())
                with suppress(UnknownStream):
                    self._counts = await self._client._run(self._client._operations.close_stream(self.name))
            except ClientClosed:
                if not self._client_closed:
                    raise
            return self._counts

    async def _drain(self) -> None:
        """Wait until the node has, or is done with, all that was sent."""
        sender = self._sender
        end = sender.peer.clock() + (FLUSH if sender.is_hurried else sender.peer.policy.deadline)
        sender.drain()
        while not self._watched.closed and sender.peer.clock() < end:
            self._look()
            if sender.is_settled:
                return
            await self._wait(end - sender.peer.clock(), _SLICE)

    def _end(self) -> None:
        self._closed = True
        self._changed.set()
        self._watched.close()
        self._client._streams.discard(self)

    def _deliver(self, frames: list[Any]) -> None:
        self._sender.notice(frames)
        self._changed.set()

    def _look(self) -> None:
        """Read what has come, and send what is to go out ahead of the next frame."""
        self._watched.look()
        while (errand := self._sender.errand()) is not None and self._watched.send(errand.frames, copy=True):
            errand.sent()
        self._changed.clear()

    async def _wait(self, left: float, most: float) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._changed.wait(), max(0.0, min(left, most)))
