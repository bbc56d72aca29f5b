"""Where answers are kept, so that the same question need not be computed twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from maskbus_wire.replies import CacheStats

Frame = bytes | bytearray | memoryview
Then = Callable[[Sequence[bytes] | None], None]
"""Called once with what was found: the frames of an answer, its header first; or None."""


class StoreError(Exception):
    """Say why a store cannot be used as it is configured, and what helps."""


class ResultStore(ABC):
    """Keep the frames of answers under keys made by `key_of`. Nothing here raises, waits, or is called by two threads.

    An answer is a copy: whoever puts one may do with his frames what he likes, and what is found belongs to the store.
    """

    @abstractmethod
    def lookup(self, key: str, then: Then) -> None:
        """Look for an answer; `then` is called at once or later, by the same thread, but never after `close`."""

    @abstractmethod
    def put(self, key: str, frames: Sequence[Frame]) -> None:
        """Keep an answer in the place of an older one, if there is room for it."""

    @abstractmethod
    def stats(self) -> CacheStats:
        """Tell how the store is doing."""

    @abstractmethod
    def tick(self, now: float) -> None:
        """Do what is due at `now`, monotonic seconds."""

    @abstractmethod
    def next_event(self) -> float | None:
        """Return when `tick` is due next, monotonic seconds."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything. Lookups that have not been answered never are."""
