"""The asyncio client: many calls at once over one connection, matched by their ids."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import zmq

from maskbus_client import endpoints, image_input
from maskbus_client.aio_link import Inbox, SharedLink
from maskbus_client.aio_subscription import AsyncFeed, AsyncFrameSubscription, AsyncSubscription
from maskbus_client.core import Peer, Policy
from maskbus_client.errors import ClientClosed
from maskbus_client.handle import KeptImage
from maskbus_client.keys import Keys, new_context, resolve
from maskbus_client.link import Link, new_id
from maskbus_client.operations import Operations, show_signature
from maskbus_client.steps import Connect, Event, Flow, Send
from maskbus_wire import requests
from maskbus_wire.frames import encode

if TYPE_CHECKING:
    from typing import Concatenate, ParamSpec

    from maskbus_client.aio_stream import AsyncStream
    from maskbus_client.arguments import Lane
    from maskbus_client.image_input import Color, PreparedImage, Sendable
    from maskbus_client.option_input import RouteLike
    from maskbus_client.shared_memory import AsyncSharedMemory
    from maskbus_client.stream_sender import FrameSender

    P = ParamSpec("P")
    Context = zmq.Context[zmq.Socket[bytes]]

T = TypeVar("T")


def _awaited(
    flow: Callable[Concatenate[Operations, P], Flow[T]],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """Return an operation as a coroutine that runs its flow to the end."""

    @wraps(flow)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(flow(self._operations, *args, **kwargs))

    show_signature(method, flow)
    return method


def _on_handle(
    flow: Callable[Concatenate[Operations, Any, P], Flow[T]],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """Return an operation on an image as a coroutine of the handle that is that image."""

    @wraps(flow)
    async def method(self: AsyncImageHandle, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._client._run(flow(self._client._operations, self, *args, **kwargs))

    show_signature(method, flow, without="image")
    return method


def _opening(
    flow: Callable[Concatenate[Operations, P], Flow[FrameSender]],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, AsyncStream]]:
    """Return the opening of a stream as a coroutine that returns the stream."""

    @wraps(flow)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncStream:
        return self._begin_stream(await self._run(flow(self._operations, *args, **kwargs)))

    show_signature(method, flow, returns="AsyncStream")
    return method


class AsyncClient:
    """Talk to a node from asyncio.

    All calls share one connection: any number of them may be under way at once, and each gets the answer with its id.
    Cancelling the task that awaits a call sends `cancel` to the node. A client belongs to the event loop of its first
    call, and like everything of asyncio to one thread. Image files are read, and arrays compressed, in that thread.

    Arguments and errors are those of `Client`. Use it with `async with`, or await `close`.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        deadline: float | None = None,
        context: Context | None = None,
        retries: int = 2,
        connect_timeout: float = 5.0,
        keys: Keys | None = None,
        shared_memory: bool = False,
    ) -> None:
        policy = Policy(retries=retries, connect_timeout=connect_timeout).with_deadline(deadline)
        self._endpoint = endpoints.resolve(endpoint)
        self._operations = Operations(Peer(self._endpoint, policy), shared_memory=shared_memory)
        if keys is not None and context is not None:
            raise ValueError("Keys go with a context of the client's own: leave context out.")
        self._context: Context = context or new_context(resolve(keys))
        self._owns_context = context is None
        self._current: SharedLink | None = None
        self._links: set[SharedLink] = set()
        self._closed = False
        self._streams: set[AsyncStream] = set()
        self._subscriptions: weakref.WeakSet[AsyncFeed[Any]] = weakref.WeakSet()

    @property
    def endpoint(self) -> str:
        """Where requests go."""
        return self._endpoint

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncClient of {self.endpoint}{' (closed)' if self._closed else ''}>"

    segment = _awaited(Operations.segment)
    everything = _awaited(Operations.everything)
    ping = _awaited(Operations.ping)
    describe = _awaited(Operations.describe)
    stats = _awaited(Operations.stats)
    cancel = _awaited(Operations.cancel)
    stream = _opening(Operations.stream)
    streams = _awaited(Operations.streams)
    close_stream = _awaited(Operations.close_stream)

    async def image(
        self,
        image: Sendable,
        *,
        model: str = "",
        route: RouteLike | None = None,
        color: Color = "rgb",
        deadline: float | None = None,
        lane: Lane = "interactive",
    ) -> AsyncImageHandle:
        """Have the node keep an image and compute its embedding, as `Client.image` does.

        The handle is an asynchronous context manager: `async with await client.image(frame) as image: …`
        """
        handle = AsyncImageHandle(self, image_input.own(image_input.prepare(image, color)), model)
        await self._run(self._operations.keep(handle, deadline, lane, route))
        return handle

    async def shared_memory(
        self, *, slots: int, slot_bytes: int, checksum: bool = False, masks: bool = True
    ) -> AsyncSharedMemory:
        """Lease shared memory from the node, as `Client.shared_memory` does.

        It is an asynchronous context manager: `async with await client.shared_memory(…) as memory: …`
        """
        from maskbus_client.shared_memory import AsyncSharedMemory

        memory = AsyncSharedMemory(self._run, self._operations.peer, slots, slot_bytes, checksum=checksum, masks=masks)
        await self._run(self._operations.share(memory))
        return memory

    def subscribe(
        self,
        topic: str,
        *,
        encoding: str | None = None,
        newest: bool = False,
        timeout: float | None = None,
        prefix: bool = False,
        endpoint: str | None = None,
    ) -> AsyncSubscription:
        """Return an asynchronous iterator over the results published under a topic; arguments as `Client.subscribe`.

        The node is asked for its endpoint, and the subscription made, at `async with` or at the first result.
        """
        self._check_open()
        subscription = AsyncSubscription(
            self._context,
            self._find_topics(endpoint),
            topic,
            encoding=encoding,
            newest=newest,
            timeout=timeout,
            prefix=prefix,
        )
        self._subscriptions.add(subscription)
        return subscription

    def subscribe_frames(
        self, stream: str, *, newest: bool = False, timeout: float | None = None, endpoint: str | None = None
    ) -> AsyncFrameSubscription:
        """Return an asynchronous iterator over the frames of a stream; arguments as `Client.subscribe_frames`."""
        self._check_open()
        subscription = AsyncFrameSubscription(
            self._context, self._find_topics(endpoint), stream, newest=newest, timeout=timeout
        )
        self._subscriptions.add(subscription)
        return subscription

    def _find_topics(self, endpoint: str | None) -> Callable[[], Coroutine[Any, Any, str]]:
        """Return what says where to subscribe: at `endpoint`, or where the node says."""

        async def find() -> str:
            return endpoint or endpoints.choose_publish(self.endpoint, (await self.ping()).publish_endpoints)

        return find

    def _begin_stream(self, sender: FrameSender) -> AsyncStream:
        from maskbus_client.aio_stream import AsyncStream

        self._check_open()
        stream = AsyncStream(self, sender, self._context)
        self._streams.add(stream)
        return stream

    async def close(self) -> None:
        """Close all connections, streams and subscriptions, and give shared memory back.

        Calls that still wait raise ClientClosed.
        """
        if self._closed:
            return
        with suppress(ClientClosed):
            await self._run(self._operations.shut())
        await self._end()

    async def _end(self) -> None:
        if self._closed:  # by another task, while shared memory was given back
            return
        self._closed = True
        for stream in list(self._streams):
            stream.close_with_client()
        for subscription in list(self._subscriptions):
            subscription.close_with_client()
        for link in list(self._links):
            for inbox in set(link.inboxes.values()):
                inbox.fail(ClientClosed("The client was closed while a call waited."))
            link.watched.close()
        self._links.clear()
        if self._owns_context:
            # A last `cancel` may still be on its way out: that wait is not the loop's.
            await asyncio.get_running_loop().run_in_executor(None, self._context.term)

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosed("The client is closed.")

    async def _run(self, flow: Flow[T]) -> T:
        """Run a flow to its end, sharing the connection with the others."""
        self._check_open()
        inbox = Inbox()
        link: SharedLink | None = None
        ids: list[str] = []
        work = ""
        try:
            event: Event = None
            while True:
                step = flow.send(event)
                event = None
                if isinstance(step, Send):
                    assert link is not None
                    if step.id and step.id not in link.inboxes:
                        link.inboxes[step.id] = inbox
                        ids.append(step.id)
                    work = step.id if step.work else work
                    link.watched.send(step.frames, copy=step.copy)
                elif isinstance(step, Connect):
                    if link is None or step.instead_of is link:
                        self._leave(link, ids)
                        link = None  # should no other be had
                        link = self._connect(instead_of=step.instead_of)
                    event = link
                else:
                    event = await inbox.get(step.until)
        except StopIteration as stop:
            result: T = stop.value
            return result
        except asyncio.CancelledError:
            if link is not None and work and not self._closed:
                link.watched.send(encode(requests.Cancel(id=new_id(), target=work)), copy=True)
            raise
        finally:
            flow.close()
            self._leave(link, ids)

    def _connect(self, instead_of: Link | None) -> SharedLink:
        """Return the connection new requests go over; another call may have replaced a lost one already."""
        self._check_open()
        if self._current is None or self._current is instead_of:
            self._current = SharedLink(self._context, self.endpoint)
            self._links.add(self._current)
        self._current.users += 1
        return self._current

    def _leave(self, link: SharedLink | None, ids: list[str]) -> None:
        if link is None:
            return
        for name in ids:
            link.inboxes.pop(name, None)
        ids.clear()
        link.users -= 1
        self._drop(link)

    def _drop(self, link: SharedLink) -> None:
        """Close a connection that has been replaced, once nobody waits for an answer over it."""
        if link is not self._current and not link.users and link in self._links:
            self._links.discard(link)
            link.watched.close()


class AsyncImageHandle(KeptImage):
    """An image that the node keeps. An asynchronous context manager; `release` it when done."""

    def __init__(self, client: AsyncClient, pixels: PreparedImage, model: str) -> None:
        super().__init__(pixels, model)
        self._client = client

    segment = _on_handle(Operations.segment)
    everything = _on_handle(Operations.everything)
    release = _on_handle(Operations.release)

    async def __aenter__(self) -> AsyncImageHandle:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.release()
        except Exception:
            # An error under way matters more than one about tidying up; a lost image needs no release.
            if error is None:
                raise
