"""Embeddings a worker keeps, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict

from maskbus.interfaces import Embedding


class EmbeddingCache:
    """Least recently used goes first. An embedding larger than the cap is simply not kept."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[bytes, tuple[Embedding, int]] = OrderedDict()
        self.nbytes = 0
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> Embedding | None:
        """Return the embedding of the image with digest `key`, and count the hit or the miss."""
        entry = self._entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: bytes, embedding: Embedding) -> None:
        """Keep an embedding, at the cost of those that were not used for longest."""
        size = int(embedding.nbytes)
        if size > self._capacity:
            return
        if key in self._entries:
            self.nbytes -= self._entries.pop(key)[1]
        self._entries[key] = (embedding, size)
        self.nbytes += size
        while self.nbytes > self._capacity:
            self.nbytes -= self._entries.popitem(last=False)[1][1]

    def clear(self) -> None:
        """Let go of everything."""
        self._entries.clear()
        self.nbytes = 0
