"""What has been received and not yet written: a queue that is bounded by bytes."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from functools import cached_property

from maskbus_wire.frames import Buffer


@dataclass(frozen=True)
class Arrival:
    """One published message, and when it came."""

    log_time: int
    """Nanoseconds since the epoch, by a clock that never goes back."""
    frames: list[Buffer]
    """Topic, header, attachments."""

    @cached_property
    def topic(self) -> str:
        """The topic; bytes that are no UTF-8 are replaced."""
        return bytes(self.frames[0]).decode("utf-8", "replace")

    @cached_property
    def nbytes(self) -> int:
        """Bytes of all frames."""
        return sum(memoryview(frame).nbytes for frame in self.frames)


class Inbox:
    """Hand messages from the thread that receives to the one that writes. Never blocks the first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._nbytes = 0
        self._waiting: deque[Arrival] = deque()
        self._changed = threading.Condition()
        self._closed = False

    @property
    def is_crowded(self) -> bool:
        """Whether more than half of the room is taken."""
        return 2 * self._nbytes > self._max_bytes

    def put(self, arrival: Arrival) -> bool:
        """Take a message; False where there is no room for it. One alone always finds room."""
        with self._changed:
            if self._waiting and self._nbytes + arrival.nbytes > self._max_bytes:
                return False
            self._waiting.append(arrival)
            self._nbytes += arrival.nbytes
            self._changed.notify()
        return True

    def get(self, timeout: float) -> Arrival | None:
        """Return the oldest message; None if none came within `timeout` seconds, or none will come any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout)
            if not self._waiting:
                return None
            arrival = self._waiting.popleft()
            self._nbytes -= arrival.nbytes
            return arrival

    def close(self) -> None:
        """Say that nothing will come any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def is_finished(self) -> bool:
        """Whether it is closed and empty."""
        with self._changed:
            return self._closed and not self._waiting
