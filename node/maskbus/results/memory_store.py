"""Answers in the node's own memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from maskbus.results.store import Frame, ResultStore, Then
from maskbus_wire.replies import CacheStats

_OVERHEAD = 1024
"""Bytes that an answer takes beside its own."""
_SHARE = 8
"""No answer may take more than this part of the room: a single one must not cost all others their place."""


class _Entry(NamedTuple):
    frames: tuple[bytes, ...]
    nbytes: int


class MemoryStore(ResultStore):
    """Least recently used goes first, and what is older than its time to live, used or not."""

    def __init__(self, capacity: int, ttl_s: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin empty.

        Args:
            capacity: Bytes of all answers together; one may take an eighth of it.
            ttl_s: Seconds for which an answer is good; 0: for ever.
            clock: Returns seconds.
        """
        self._capacity = capacity
        self._ttl_s = ttl_s
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        """In the order of their use."""
        self._expiries: OrderedDict[str, float] = OrderedDict()
        """Of the same answers, in the order in which they came."""
        self._nbytes = 0
        self._hits = self._misses = self._stored = self._evictions = 0

    def lookup(self, key: str, then: Then) -> None:
        """Call `then` at once."""
        self.tick(self._clock())
        entry = self._entries.get(key)
        if entry is None:
            self._misses += 1
            then(None)
            return
        self._hits += 1
        self._entries.move_to_end(key)
        then(entry.frames)

    def put(self, key: str, frames: Sequence[Frame]) -> None:
        """Keep an answer, at the cost of those that were not used for longest."""
        nbytes = _OVERHEAD + sum(memoryview(frame).nbytes for frame in frames)
        if nbytes > self._capacity // _SHARE:
            return
        now = self._clock()
        self.tick(now)
        self._drop(key)
        self._entries[key] = _Entry(tuple(map(bytes, frames)), nbytes)
        self._expiries[key] = now + self._ttl_s
        self._nbytes += nbytes
        self._stored += 1
        while self._nbytes > self._capacity:
            self._drop(next(iter(self._entries)))
            self._evictions += 1

    def stats(self) -> CacheStats:
        """Tell how the store is doing."""
        return CacheStats(
            store="memory",
            hits=self._hits,
            misses=self._misses,
            stored=self._stored,
            evictions=self._evictions,
            entries=len(self._entries),
            bytes=self._nbytes,
        )

    def tick(self, now: float) -> None:
        """Let go of what is too old."""
        while (due := self.next_event()) is not None and due <= now:
            self._drop(next(iter(self._expiries)))
            self._evictions += 1

    def next_event(self) -> float | None:
        """Return when the next answer is too old."""
        if not self._ttl_s or not self._expiries:
            return None
        return next(iter(self._expiries.values()))

    def close(self) -> None:
        """Let go of everything."""
        self._entries.clear()
        self._expiries.clear()
        self._nbytes = 0

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            del self._expiries[key]
            self._nbytes -= entry.nbytes
