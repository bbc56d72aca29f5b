"""The blocking client: the caller's own thread sends, waits and receives."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import zmq

from maskbus_client import endpoints, image_input, sockets
from maskbus_client.core import Peer, Policy
from maskbus_client.errors import ClientClosed, DeadlineExceeded, NodeError
from maskbus_client.handle import KeptImage
from maskbus_client.keys import Keys, new_context, resolve
from maskbus_client.link import Arrival, Garbage
from maskbus_client.operations import Operations, show_signature
from maskbus_client.socket_link import SocketLink
from maskbus_client.steps import Connect, Event, Flow, Send
from maskbus_client.subscription import Feed, FrameSubscription, Subscription

if TYPE_CHECKING:
    from typing import Concatenate, ParamSpec

    from maskbus_client.arguments import Lane
    from maskbus_client.image_input import Color, PreparedImage, Sendable
    from maskbus_client.option_input import RouteLike
    from maskbus_client.shared_memory import SharedMemory
    from maskbus_client.stream import Stream
    from maskbus_client.stream_sender import FrameSender

    P = ParamSpec("P")
    Context = zmq.Context[zmq.Socket[bytes]]

T = TypeVar("T")
C = TypeVar("C", bound="Client")

SLICE = 0.1
"""Seconds after which a waiting call looks whether the client has been closed."""


def _blocking(flow: Callable[Concatenate[Operations, P], Flow[T]]) -> Callable[Concatenate[Any, P], T]:
    """Return an operation as a method that runs its flow to the end."""

    @wraps(flow)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(flow(self._operations, *args, **kwargs))

    show_signature(method, flow)
    return method


def _on_handle(flow: Callable[Concatenate[Operations, Any, P], Flow[T]]) -> Callable[Concatenate[Any, P], T]:
    """Return an operation on an image as a method of the handle that is that image."""

    @wraps(flow)
    def method(self: ImageHandle, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._client._run(flow(self._client._operations, self, *args, **kwargs))

    show_signature(method, flow, without="image")
    return method


def _opening(flow: Callable[Concatenate[Operations, P], Flow[FrameSender]]) -> Callable[Concatenate[Any, P], Stream]:
    """Return the opening of a stream as a method that returns the stream."""

    @wraps(flow)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Stream:
        return self._begin_stream(self._run(flow(self._operations, *args, **kwargs)))

    show_signature(method, flow, returns="Stream")
    return method


class Client:
    """Talk to a node, blocking.

    Any number of threads may share one client: each call uses a connection of its own while it lasts (idle ones are
    kept for the next call), so calls neither wait for nor see one another, and `cancel` and `close` work from any
    thread while others wait. The wait is the caller's own: no thread stands between it and the socket.

    Args:
        endpoint: `tcp://host:port`, `ipc://path` or `inproc://name`; left out: the environment's MASKBUS_ENDPOINT, else
            tcp://127.0.0.1:7710.
        deadline: Seconds a call may take, all tries together, where it does not say otherwise; left out: 30, and 600
            for `everything`.
        context: A ZeroMQ context to share, needed for inproc; left out: one of its own, which it also ends.
        retries: How often a request is sent again: after a lost reply, a restart of the node, or a code of `RETRYABLE`.
        connect_timeout: Seconds a node that has never been heard may be silent before it counts as unreachable.
        keys: CURVE keys, for a node that has them; left out: those that the environment's MASKBUS_SERVER_KEY and
            MASKBUS_CLIENT_KEY name, if any.
        shared_memory: Whether arrays, and the bytes of masks, that are large go through shared memory where the node
            gives it, without a word about it in the calls. Where it does not, they are sent as always.

    Raises:
        ValueError: for an endpoint, a deadline or keys that cannot be one.
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
        self._idle: list[SocketLink] = []
        self._busy = 0
        self._state = threading.Condition()
        self._closed = False
        self._streams: set[Stream] = set()
        self._subscriptions: weakref.WeakSet[Feed[Any]] = weakref.WeakSet()

    @property
    def endpoint(self) -> str:
        """Where requests go."""
        return self._endpoint

    def __enter__(self: C) -> C:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self.endpoint}{' (closed)' if self._closed else ''}>"

    segment = _blocking(Operations.segment)
    everything = _blocking(Operations.everything)
    ping = _blocking(Operations.ping)
    describe = _blocking(Operations.describe)
    stats = _blocking(Operations.stats)
    cancel = _blocking(Operations.cancel)
    stream = _opening(Operations.stream)
    streams = _blocking(Operations.streams)
    close_stream = _blocking(Operations.close_stream)

    def image(
        self,
        image: Sendable,
        *,
        model: str = "",
        route: RouteLike | None = None,
        color: Color = "rgb",
        deadline: float | None = None,
        lane: Lane = "interactive",
    ) -> ImageHandle:
        """Have the node keep an image and compute its embedding; later prompts send no pixels and cost a decode only.

        Should the node lose the image, the handle sends it again by itself. Use it as a context manager, or `release`
        it. Arguments and errors as in `segment`.
        """
        handle = ImageHandle(self, image_input.own(image_input.prepare(image, color)), model)
        self._run(self._operations.keep(handle, deadline, lane, route))
        return handle

    def shared_memory(self, *, slots: int, slot_bytes: int, checksum: bool = False, masks: bool = True) -> SharedMemory:
        """Lease shared memory from the node: images that are written there need not be sent.

        Args:
            slots: How many images and results there is room for at a time, 1 to 64.
            slot_bytes: The most that one may have.
            checksum: Whether the node compares each image with its CRC-32. That costs about as much as a copy.
            masks: Whether large bytes of masks come back in a slot, where one is free; otherwise they are sent.

        Raises:
            NoSharedMemory: if the node is on another machine, or gives none.
            TooLarge, Busy: if it does not give so much, ever or now.
            MaskbusError: as `segment`.
        """
        from maskbus_client.shared_memory import SharedMemory

        memory = SharedMemory(self._run, self._operations.peer, slots, slot_bytes, checksum=checksum, masks=masks)
        self._run(self._operations.share(memory))
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
    ) -> Subscription:
        """Return an iterator over the results that the node publishes under a topic.

        Args:
            topic: The topic, exactly.
            encoding: How the masks come, whatever their requester chose; left out: as the requester chose.
            newest: Whether only the newest message is wanted: those that came while the last one was being looked at
                are dropped and counted in `dropped`. A thread of its own keeps up with the node.
            timeout: Seconds to wait for a message before DeadlineExceeded is raised; left out: for ever.
            prefix: Whether all topics that begin with `topic` are meant.
            endpoint: Where to subscribe; left out: where the node says.

        Raises:
            ValueError: for a topic or encoding that cannot be one.
            NodeUnreachable, ClientClosed: as `segment`.
        """
        where = endpoint or endpoints.choose_publish(self.endpoint, self.ping().publish_endpoints)
        with self._state:
            self._check_open()
            subscription = Subscription(
                self._context, where, topic, encoding=encoding, newest=newest, timeout=timeout, prefix=prefix
            )
            self._subscriptions.add(subscription)
        return subscription

    def subscribe_frames(
        self, stream: str, *, newest: bool = False, timeout: float | None = None, endpoint: str | None = None
    ) -> FrameSubscription:
        """Return an iterator over the frames of a stream, as the node receives them, before any is dropped.

        Args:
            stream: Name of the stream, or the topic of its frames.
            newest: As in `subscribe`, like the rest.
            timeout: See `newest`.
            endpoint: See `newest`.

        Raises:
            ValueError: for what can be no name of a stream.
            NodeUnreachable, ClientClosed: as `segment`.
        """
        where = endpoint or endpoints.choose_publish(self.endpoint, self.ping().publish_endpoints)
        with self._state:
            self._check_open()
            subscription = FrameSubscription(self._context, where, stream, newest=newest, timeout=timeout)
            self._subscriptions.add(subscription)
        return subscription

    def _begin_stream(self, sender: FrameSender) -> Stream:
        from maskbus_client.stream import Stream

        with self._state:
            self._check_open()
            stream = Stream(self, sender, self._context)
            self._streams.add(stream)
        return stream

    def close(self) -> None:
        """Close all connections, streams and subscriptions, and give shared memory back.

        Calls that still wait in other threads raise ClientClosed.
        """
        with suppress(ClientClosed):
            self._run(self._operations.shut())
        with self._state:
            self._closed = True
            idle, self._idle = self._idle, []
            streams, subscriptions = list(self._streams), list(self._subscriptions)
            for link in idle:
                link.socket.close()
            # Each call under way notices within a slice, and closes its own socket: nobody else may touch it.
            done = self._state.wait_for(lambda: self._busy == 0, timeout=50 * SLICE)
        for stream in streams:
            stream.close_with_client()
        for subscription in subscriptions:
            subscription.close_with_client()
        if self._owns_context and done and not self._context.closed:
            self._context.term()

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosed("The client is closed.")

    def _run(self, flow: Flow[T]) -> T:
        """Run a flow to its end on a connection that is this call's own."""
        link: SocketLink | None = None
        work = ""
        with self._state:
            self._check_open()
            self._busy += 1
        usable = False
        try:
            event: Event = None
            while True:
                step = flow.send(event)
                if isinstance(step, Send):
                    assert link is not None
                    work = step.id if step.work else work
                    event = None
                    if step.farewell:
                        link.linger()
                    sockets.send(link.socket, step.frames, copy=step.copy)
                elif isinstance(step, Connect):
                    if link is not None and step.instead_of is link:
                        link.socket.close()
                        link = None
                    link = link or self._connect(fresh=step.instead_of is not None)
                    event = link
                else:
                    assert link is not None
                    event = self._wait(link, step.until)
        except StopIteration as stop:
            usable = True
            result: T = stop.value
            return result
        except NodeError as error:
            usable = not isinstance(error, DeadlineExceeded)
            raise
        except zmq.ContextTerminated:
            raise ClientClosed("The client's ZeroMQ context was terminated.") from None
        except KeyboardInterrupt:
            if link is not None and work:
                link.abandon(work)
            raise
        finally:
            flow.close()
            self._give_back(link, usable)

    def _connect(self, *, fresh: bool) -> SocketLink:
        with self._state:
            self._check_open()
            if not fresh and self._idle:
                return self._idle.pop()
        return SocketLink(sockets.open_dealer(self._context, self.endpoint))

    def _give_back(self, link: SocketLink | None, usable: bool) -> None:
        with self._state:
            if link is not None:
                if usable and not self._closed:
                    self._idle.append(link)
                else:
                    link.socket.close()
            self._busy -= 1
            if self._closed:
                self._state.notify_all()

    def _wait(self, link: SocketLink, until: float) -> Arrival | Garbage | None:
        while True:
            left = until - time.monotonic()
            link.patience(min(max(left, 0.0), SLICE))
            try:
                frames = sockets.receive(link.socket)
            except zmq.Again:
                if self._closed:
                    raise ClientClosed("The client was closed while a call waited.") from None
                if left <= SLICE:
                    return None
                continue
            arrival = link.open(frames)
            if arrival is not None:
                return arrival


class ImageHandle(KeptImage):
    """An image that the node keeps. A context manager; `release` it when done."""

    def __init__(self, client: Client, pixels: PreparedImage, model: str) -> None:
        super().__init__(pixels, model)
        self._client = client

    segment = _on_handle(Operations.segment)
    everything = _on_handle(Operations.everything)
    release = _on_handle(Operations.release)

    def __enter__(self) -> ImageHandle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.release()
        except Exception:
            # An error under way matters more than one about tidying up; a lost image needs no release.
            if error is None:
                raise
