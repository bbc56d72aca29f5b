"""What is published, one message after the other, for the blocking client."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import zmq

from maskbus_client import sockets
from maskbus_client.errors import ClientClosed, DeadlineExceeded, MaskbusError
from maskbus_client.frame import Frame, FrameFilter
from maskbus_client.results import Result
from maskbus_client.topics import Filter, TopicFilter

if TYPE_CHECKING:
    Context = zmq.Context[zmq.Socket[bytes]]

_SLICE = 0.1


T = TypeVar("T")
S = TypeVar("S", bound="Feed[object]")


class Feed(Iterator[T]):
    """Iterate over what is published under a topic. A context manager; also closed by its client.

    One thread at a time may iterate; `close` may come from any, and ends the iteration.
    """

    def __init__(
        self,
        context: Context,
        endpoint: str,
        topic: str,
        wanted: Filter[T],
        *,
        newest: bool,
        timeout: float | None,
    ) -> None:
        if timeout is not None and not timeout > 0:
            raise ValueError(f"A timeout is more than 0 seconds, not {timeout!r}.")
        self._filter = wanted
        self._name = topic
        self._timeout = timeout
        self._closed = False
        self._client_closed = False
        # Held by whoever uses the socket. In newest mode that is a thread, for as long as it lives.
        self._using = threading.Lock()
        self._socket = sockets.open_subscriber(context, endpoint, self._filter.wanted)
        self._socket.setsockopt(zmq.RCVTIMEO, int(_SLICE * 1000))
        self._latest: T | MaskbusError | None = None
        self._changed = threading.Condition()
        self._dropped = 0
        self._keeper: threading.Thread | None = None
        if newest:
            self._keeper = threading.Thread(target=self._keep_newest, name=f"maskbus newest {topic}", daemon=True)
            self._keeper.start()

    @property
    def dropped(self) -> int:
        """With `newest`: how many messages were passed over because a newer one was there. Otherwise 0."""
        return self._dropped

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self: S) -> S:
        return self

    def __next__(self) -> T:
        """Return the next message.

        Raises:
            StopIteration: once the subscription has been closed.
            DeadlineExceeded: if none came in time; the subscription goes on.
            ProtocolError: if one came that cannot be read; the subscription goes on.
            ClientClosed: once the client has been closed.
        """
        until = None if self._timeout is None else time.monotonic() + self._timeout
        result = self._receive(until) if self._keeper is None else self._take(until)
        if result is not None:
            return result
        if self._client_closed:
            raise ClientClosed("The client of this subscription is closed.")
        if self._closed:
            raise StopIteration
        raise DeadlineExceeded(f"Nothing was published under {self._name!r} for {self._timeout:g} s.")

    def close(self) -> None:
        """End the subscription. An iteration in another thread ends too."""
        self._closed = True
        with self._changed:
            self._changed.notify_all()
        with self._using:
            self._socket.close()
        if self._keeper is not None:
            self._keeper.join()

    def close_with_client(self) -> None:
        """End the subscription because its client is closed: an iteration raises ClientClosed."""
        self._client_closed = not self._closed
        self.close()

    def _receive(self, until: float | None) -> T | None:
        """Read messages until one is wanted; None if none was in time, or the subscription was closed."""
        while until is None or time.monotonic() < until:
            # The lock is let go between slices, so that `close` gets in.
            with self._using:
                if self._closed:
                    return None
                try:
                    frames = sockets.receive(self._socket)
                except zmq.Again:
                    continue
            result = self._filter.read(frames)
            if result is not None:
                return result
        return None

    def _take(self, until: float | None) -> T | None:
        """Take the newest message, or wait for one."""
        with self._changed:
            left = None if until is None else max(0.0, until - time.monotonic())
            self._changed.wait_for(lambda: self._latest is not None or self._closed, timeout=left)
            found, self._latest = self._latest, None
        if isinstance(found, MaskbusError):
            raise found
        return None if self._closed else found

    def _keep_newest(self) -> None:
        while not self._closed:
            found: T | MaskbusError | None
            try:
                found = self._receive(None)
            except MaskbusError as error:
                found = error
            if found is None:
                return
            with self._changed:
                self._dropped += not (self._latest is None or isinstance(self._latest, MaskbusError))
                self._latest = found
                self._changed.notify()


class Subscription(Feed[Result]):
    """Iterate over the results published under a topic. A context manager; also closed by its client.

    One thread at a time may iterate; `close` may come from any, and ends the iteration.
    """

    def __init__(
        self,
        context: Context,
        endpoint: str,
        topic: str,
        *,
        encoding: str | None,
        newest: bool,
        timeout: float | None,
        prefix: bool,
    ) -> None:
        wanted = TopicFilter(topic, encoding=encoding, prefix=prefix)
        super().__init__(context, endpoint, topic, wanted, newest=newest, timeout=timeout)


class FrameSubscription(Feed[Frame]):
    """Iterate over the frames of a stream, as the node receives them; else as `Subscription`."""

    def __init__(self, context: Context, endpoint: str, stream: str, *, newest: bool, timeout: float | None) -> None:
        wanted = FrameFilter(stream)
        super().__init__(context, endpoint, wanted.topic, wanted, newest=newest, timeout=timeout)
