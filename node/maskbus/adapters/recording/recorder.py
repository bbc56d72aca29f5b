"""Take in what a node publishes, and write it to a file: one thread receives, another writes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import zmq

from maskbus.adapters.recording.inbox import Arrival, Inbox
from maskbus.adapters.recording.moments import SteadyClock
from maskbus.adapters.recording.recording_file import RecordingFile
from maskbus.adapters.recording.tally import Tally
from maskbus.adapters.recording.wanted import Wanted
from maskbus_client.link import REPLY_LIMITS
from maskbus_wire import header
from maskbus_wire.errors import WireError
from maskbus_wire.frames import decode_reply
from maskbus_wire.replies import Masks, PublishedFrame

BUFFER = 256 << 20
"""Bytes of messages that may wait to be written."""
_SLICE = 0.1
_WAITING = 64
"""Messages that ZeroMQ may hold besides: the receiving thread takes them out at once."""
_LARGE = 64 * 1024


class Recorder:
    """Subscribe to a node's topics and write them to a file.

    The receiving thread never waits for the disk: what there is no room for is counted and dropped here, so that the
    node does not notice. Before it comes to that, pictures for viewers are left out.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        wanted: Wanted,
        file: RecordingFile,
        *,
        draw: bool = True,
        buffer: int = BUFFER,
    ) -> None:
        """Connect.

        Args:
            context: Where the socket is made.
            endpoint: Topics of a node, or of a replay.
            wanted: Which of them.
            file: Where they go. It is closed by its owner.
            draw: Whether pictures for viewers are written as well.
            buffer: Bytes of messages that may wait to be written.

        Raises:
            zmq.ZMQError: if it is no endpoint.
        """
        self._wanted = wanted
        self._file = file
        self._draw = draw
        self._inbox = Inbox(buffer)
        self._clock = SteadyClock()
        self._stopping = threading.Event()
        self._hurried = False
        self._lock = threading.Lock()
        self._missed: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self.tally = Tally()
        self._socket = context.socket(zmq.SUB)
        try:
            self._socket.setsockopt(zmq.LINGER, 0)
            self._socket.setsockopt(zmq.RCVHWM, _WAITING)
            self._socket.setsockopt(zmq.MAXMSGSIZE, REPLY_LIMITS.frame_bytes)
            if endpoint.startswith("tcp://"):
                self._socket.setsockopt(zmq.IPV6, 1)
                self._socket.setsockopt(zmq.HEARTBEAT_IVL, 5_000)
                self._socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 15_000)
            for prefix in wanted.prefixes:
                self._socket.setsockopt(zmq.SUBSCRIBE, prefix)
            self._socket.connect(endpoint)
        except BaseException:
            self._socket.close()
            raise

    def stop(self) -> None:
        """Have `run` take in nothing more, write what waits, and return; a second call leaves out what waits.

        From any thread, or a signal handler.
        """
        self._hurried = self._stopping.is_set()
        self._stopping.set()

    def run(
        self, *, seconds: float | None = None, limit: int | None = None, began: Callable[[], None] = lambda: None
    ) -> Tally:
        """Record until `stop`, so many seconds or messages, or the disk is full.

        Raises:
            OSError: if the file cannot be written.
        """
        receiver = threading.Thread(target=self._receive, name="maskbus recorder", daemon=True)
        start = time.monotonic()
        receiver.start()
        try:
            began()
            while not self._inbox.is_finished:
                arrival = self._inbox.get(_SLICE)
                if arrival is not None:
                    self._write(arrival)
                self._file.flush_if_due()
                if seconds is not None and time.monotonic() - start >= seconds:
                    self._stopping.set()
                if self._file.is_full or self._hurried or self.tally.messages == limit:
                    break
        finally:
            self._stopping.set()
            receiver.join()
            if self.tally.messages != limit:
                while left := self._inbox.get(0):
                    self._miss(left.topic)
            self.tally.seconds = time.monotonic() - start
            for topic, missed in self._missed.items():
                self.tally.of(topic).missed = missed
        return self.tally

    def _write(self, arrival: Arrival) -> None:
        reply = _read(arrival)
        if isinstance(reply, Masks) and reply.published is not None:
            # Sent again for somebody else, who came late.
            if reply.retained and self._numbers.get(arrival.topic) == reply.published:
                return
            self._numbers[arrival.topic] = reply.published
        topic = self.tally.of(arrival.topic)
        crowded = self._draw and self._inbox.is_crowded
        self._file.write(arrival, reply, draw=self._draw and not crowded)
        topic.came(reply)
        topic.messages += 1
        topic.nbytes += arrival.nbytes
        self.tally.undrawn += crowded

    def _receive(self) -> None:
        try:
            while not self._stopping.is_set():
                if self._socket.poll(int(_SLICE * 1000)):
                    self._take()
        finally:
            self._socket.close()
            self._inbox.close()

    def _take(self) -> None:
        parts = self._socket.recv_multipart(copy=False)
        frames = [part.buffer if len(part) >= _LARGE else part.bytes for part in parts]
        arrival = Arrival(self._clock.now(), list(frames))
        if arrival.topic in self._wanted and not self._inbox.put(arrival):
            self._miss(arrival.topic)

    def _miss(self, topic: str) -> None:
        with self._lock:
            self._missed[topic] = self._missed.get(topic, 0) + 1


def _read(arrival: Arrival) -> Masks | PublishedFrame | None:
    """Return the header of a message; None where it is nothing that a node of this version publishes."""
    if len(arrival.frames) < 2:
        return None
    try:
        reply = decode_reply(header.unpack(bytes(arrival.frames[1]), REPLY_LIMITS))
    except WireError:
        return None
    return reply if isinstance(reply, (Masks, PublishedFrame)) else None
