"""What a store's thread has still to do, within bounds."""

from __future__ import annotations

from collections import deque
from threading import Condition
from typing import NamedTuple

from maskbus.results.patience import Lookup

_OVERHEAD = 1024
"""Bytes that an answer takes beside its own."""


class Write(NamedTuple):
    """An answer to be written."""

    key: str
    frames: tuple[bytes, ...]

    @property
    def nbytes(self) -> int:
        """Bytes it takes while it waits."""
        return _OVERHEAD + sum(map(len, self.frames))


class Backlog:
    """Hand lookups and writes from one thread to another. Lookups come first: somebody waits for them."""

    def __init__(self, lookups: int, write_bytes: int) -> None:
        """Begin empty.

        Args:
            lookups: How many may wait.
            write_bytes: Bytes of the writes that may wait.
        """
        self._most_lookups = lookups
        self._most_bytes = write_bytes
        self._lookups: deque[Lookup] = deque()
        self._writes: deque[Write] = deque()
        self._changed = Condition()
        self.nbytes = 0
        """Of the writes that wait."""
        self.closed = False

    def ask(self, lookup: Lookup) -> bool:
        """Put a lookup at the end of the line; tell whether there was room."""
        with self._changed:
            if len(self._lookups) >= self._most_lookups:
                return False
            self._lookups.append(lookup)
            self._changed.notify()
        return True

    def write(self, write: Write) -> bool:
        """Put a write at the end of the line; tell whether there was room."""
        with self._changed:
            if self.nbytes + write.nbytes > self._most_bytes:
                return False
            self._writes.append(write)
            self.nbytes += write.nbytes
            self._changed.notify()
        return True

    def next(self) -> Lookup | Write | None:
        """Wait for something to do, and return it; None when the backlog is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._lookups or self._writes or self.closed)
            if self.closed:
                return None
            if self._lookups:
                return self._lookups.popleft()
            write = self._writes.popleft()
            self.nbytes -= write.nbytes
            return write

    def drain(self) -> list[Lookup]:
        """Take out all lookups, and drop the writes."""
        with self._changed:
            lookups = list(self._lookups)
            self._lookups.clear()
            self._writes.clear()
            self.nbytes = 0
        return lookups

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the backlog is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed, max(0.0, seconds))

    def close(self) -> None:
        """Have `next` and `wait` return at once from now on, and let go of what waits."""
        with self._changed:
            self.closed = True
            self._lookups.clear()
            self._writes.clear()
            self.nbytes = 0
            self._changed.notify_all()
