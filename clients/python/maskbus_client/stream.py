"""A stream of the blocking client: frames go out in the caller's own thread, over a connection of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import zmq

from maskbus_client import sockets
from maskbus_client.errors import ClientClosed, DeadlineExceeded, UnknownStream
from maskbus_client.operations import Operations, show_signature
from maskbus_client.stream_handle import FLUSH, StreamHandle
from maskbus_client.stream_sender import FrameSender
from maskbus_client.subscription import FrameSubscription, Subscription
from maskbus_wire import replies

if TYPE_CHECKING:
    from typing import Concatenate, ParamSpec

    from maskbus_client.image_input import Sendable
    from maskbus_client.steps import Flow
    from maskbus_client.sync import Client

    P = ParamSpec("P")
    Context = zmq.Context[zmq.Socket[bytes]]

T = TypeVar("T")

_BOTH = int(zmq.POLLIN | zmq.POLLOUT)
_SLICE = 0.05
"""Seconds after which a frame that waits looks whether the stream has been closed."""


def _on_stream(flow: Callable[Concatenate[Operations, FrameSender, P], Flow[T]]) -> Callable[Concatenate[Any, P], T]:
    """Return an operation on a stream as a method of it."""

    @wraps(flow)
    def method(self: Stream, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._client._run(flow(self._client._operations, self._sender, *args, **kwargs))

    show_signature(method, flow, without="sender")
    return method


class Stream(StreamHandle):
    """Send frames, and change what is looked for in them. A context manager; also closed by its client.

    One thread at a time may `send`; all else may come from any. The connection holds two frames at most that the node
    has not taken yet: what comes faster is dropped here, and counted.

    Should the node not know the stream any more (it was restarted, or no frame came for long), it is opened again by
    itself, as it was opened and changed, but without its objects: those are lost, and are given again with `update`.
    """

    def __init__(self, client: Client, sender: FrameSender, context: Context) -> None:
        super().__init__(sender)
        self._client = client
        self._using = threading.Lock()
        """Held by whoever uses the socket and the sender's rules."""
        self._closing = threading.Lock()
        self._counts: replies.StreamCounts | None = None
        self._socket = sockets.open_producer(context, client.endpoint)

    @property
    def watched(self) -> bool:
        """Whether anybody subscribes to the results. Asks the node; errors as `info`."""
        return self.info().watched

    update = _on_stream(Operations.update_stream)
    add = _on_stream(Operations.add_to_stream)
    remove = _on_stream(Operations.remove_from_stream)
    info = _on_stream(Operations.describe_stream)

    def send(
        self,
        image: Sendable,
        *,
        stamp: int | None = None,
        frame_id: str | None = None,
        seq: int | None = None,
        timeout: float | None = None,
        copy: bool = True,
    ) -> bool:
        """Send a frame. Nothing waits for its masks: they are published.

        Args:
            image: As in `Client.segment`, but no handle.
            stamp: Time of the frame in nanoseconds since the epoch; left out: now. This and the next two come back with
                its masks.
            frame_id: Coordinate frame of the camera, as in ROS.
            seq: Number of the frame; left out: how many were handed to `send` before it, dropped ones included.
            timeout: With "every": seconds to wait until the node is ready for it; left out: the client's deadline.
            copy: Whether an array may be written to again as soon as this returns. If not, it goes out as it lies, and
                must stay as it is until six more frames have been sent: a camera takes turns with eight arrays, say.

        Returns:
            Whether it was sent. With "newest" and "sample", False where the connection is full: the frame has been
            dropped then. With "every", always True.

        Raises:
            TypeError, ValueError, OSError: for what cannot be sent, and ValueError if the stream has been closed.
            DeadlineExceeded: with "every", if the node was not ready for it in time.
            ClientClosed: if the client is closed, or was meanwhile.
        """
        sender = self._sender
        patience = sender.patience(timeout)
        with self._using:
            self._check_open()
            frame = sender.take(image, stamp, frame_id, seq)
        end = sender.peer.clock() + patience
        ready = None
        try:
            while True:
                with self._using:
                    self._check_open()
                    self._look()
                    if sender.has_credit and sockets.has_room(self._socket):
                        ready = ready or sender.make(frame)
                        if ready is not None and sockets.send(self._socket, ready.frames, copy=copy and ready.copy):
                            sent, ready = ready, None
                            sender.handed_over(sent)
                            return True
                    if sender.is_hurried:
                        sender.dropped += 1
                        return False
                    if sender.peer.clock() >= end:
                        raise DeadlineExceeded(sender.why(patience))
                    # With credit, it is the connection that has no room.
                    self._wait(end - sender.peer.clock(), _BOTH if sender.has_credit else zmq.POLLIN)
        finally:
            if ready is not None:
                sender.take_back(ready)

    def check(self) -> None:
        """Raise what the node has said to be wrong with frames since the last check; the last of it, if it is much."""
        with self._using:
            if not self._socket.closed:
                self._look()
            self._sender.check()

    def results(
        self, *, encoding: str | None = None, newest: bool = True, timeout: float | None = None
    ) -> Subscription:
        """Return an iterator over the results, as `Client.subscribe` does. Only what is subscribed to is looked at."""
        return self._client.subscribe(self.topic, encoding=encoding, newest=newest, timeout=timeout)

    def frames(self, *, newest: bool = True, timeout: float | None = None) -> FrameSubscription:
        """Return an iterator over the frames as the node receives them, as `Client.subscribe_frames` does."""
        return self._client.subscribe_frames(self.name, newest=newest, timeout=timeout)

    def close(self) -> replies.StreamCounts:
        """End the stream, once the node has all frames that were sent, and with "every" is done with them.

        That takes no longer than the client's deadline. A stream that the node does not know any more has ended.

        Returns:
            What became of its frames, as the node has counted them since it was opened last.

        Raises:
            MaskbusError: as `Client.segment`. The connection is closed all the same.
        """
        return self._close(drain=True)

    def close_with_client(self) -> None:
        """Close the connection because the client is closed: a frame that waits raises ClientClosed."""
        self._client_closed = not self._closed
        self._end()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._close(drain=error is None)
        except Exception:
            # An error under way matters more than one about tidying up.
            if error is None:
                raise

    def _close(self, *, drain: bool) -> replies.StreamCounts:
        with self._closing:
            if self._counts is not None:
                return self._counts
            self._closed = True  # a frame that waits in another thread is refused
            try:
                if drain:
                    self._drain()
            finally:
                self._end()
            self._counts = replies.StreamCounts()
            try:
                self._client._run(self._sender.shut())
                with suppress(UnknownStream):
                    self._counts = self._client._run(self._client._operations.close_stream(self.name))
            except ClientClosed:
                if not self._client_closed:
                    raise
            return self._counts

    def _drain(self) -> None:
        """Wait until the node has, or is done with, all that was sent."""
        sender = self._sender
        end = sender.peer.clock() + (FLUSH if sender.is_hurried else sender.peer.policy.deadline)
        with self._using:
            sender.drain()
        while sender.peer.clock() < end:
            with self._using:
                if self._socket.closed:
                    return
                self._look()
                if sender.is_settled:
                    return
                self._wait(end - sender.peer.clock(), zmq.POLLIN)

    def _end(self) -> None:
        self._closed = True
        with self._using:
            self._socket.close()
        self._client._streams.discard(self)

    def _look(self) -> None:
        """Read what has come, and send what is to go out ahead of the next frame."""
        while True:
            try:
                frames = sockets.receive(self._socket, zmq.DONTWAIT)
            except zmq.Again:
                break
            self._sender.notice(frames)
        while (errand := self._sender.errand()) is not None and sockets.send(self._socket, errand.frames, copy=True):
            errand.sent()

    def _wait(self, left: float, events: int) -> None:
        self._socket.poll(int(1000 * max(0.0, min(left, _SLICE))) + 1, events)
