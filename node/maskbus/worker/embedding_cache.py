"""Embeddings a worker keeps, up to a number of bytes and an age."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from maskbus.interfaces import Embedding


class _Entry(NamedTuple):
    embedding: Embedding
    nbytes: int
    used: float
    """Monotonic seconds."""


class EmbeddingCache:
    """Least recently used goes first. An embedding larger than the cap is simply not kept."""

    def __init__(self, capacity: int, ttl_s: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin empty.

        Args:
            capacity: Bytes of all embeddings together.
            ttl_s: Seconds after which an embedding that nobody has used goes; 0: never.
            clock: Returns seconds.
        """
        self.capacity = capacity
        self._ttl_s = ttl_s
        self._clock = clock
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self.nbytes = 0
        self.hits = 0
        self.misses = 0
        self.evictions = 0
        """Embeddings that went for want of room or for their age."""

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: bytes) -> bool:
        return key in self._entries

    def get(self, key: bytes) -> Embedding | None:
        """Return the embedding of the image with digest `key`, and count the hit or the miss."""
        self.sweep()
        entry = self._entries.pop(key, None)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries[key] = entry._replace(used=self._clock())
        return entry.embedding

    def put(self, key: bytes, embedding: Embedding) -> None:
        """Keep an embedding, at the cost of those that were not used for longest."""
        size = int(embedding.nbytes)
        if size > self.capacity:
            return
        if key in self._entries:
            self.nbytes -= self._entries.pop(key).nbytes
        self._entries[key] = _Entry(embedding, size, self._clock())
        self.nbytes += size
        while self.nbytes > self.capacity:
            self._evict_oldest()

    def discard(self, key: bytes) -> None:
        """Let go of an embedding, if it is there."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.nbytes -= entry.nbytes

    def sweep(self) -> None:
        """Let go of what has not been used for too long."""
        while self._ttl_s and self._entries and self._oldest().used + self._ttl_s <= self._clock():
            self._evict_oldest()

    def next_sweep(self) -> float | None:
        """Return the seconds until the next embedding is too old, or None if none will be."""
        if not self._ttl_s or not self._entries:
            return None
        return max(0.0, self._oldest().used + self._ttl_s - self._clock())

    def clear(self) -> None:
        """Let go of everything."""
        self._entries.clear()
        self.nbytes = 0

    def _oldest(self) -> _Entry:
        return next(iter(self._entries.values()))

    def _evict_oldest(self) -> None:
        self.nbytes -= self._entries.popitem(last=False)[1].nbytes
        self.evictions += 1
