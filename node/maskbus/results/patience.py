"""Lookups that wait for their answer, and are not let wait for long."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from maskbus.results.store import Then


class Lookup:
    """One lookup, to be answered once."""

    __slots__ = ("_then", "due", "key", "over")

    def __init__(self, key: str, then: Then, due: float) -> None:
        self.key = key
        self.due = due
        """When it is answered at the latest, monotonic seconds."""
        self.over = False
        """Whether it has been answered, or given up. Others than the loop's thread may look, but only look."""
        self._then = then

    def answer(self, frames: Sequence[bytes] | None) -> None:
        """Say what was found. The first one counts."""
        if not self.over:
            self.over = True
            self._then(frames)


class Patience:
    """Know when each lookup has waited for long enough. No clock and no thread."""

    def __init__(self, patience_s: float) -> None:
        """Begin with none.

        Args:
            patience_s: Seconds that one may wait.
        """
        self.patience_s = patience_s
        self._waiting: deque[Lookup] = deque()

    def begin(self, key: str, then: Then, now: float) -> Lookup:
        """Return a lookup that waits from `now` on, monotonic seconds."""
        lookup = Lookup(key, then, now + self.patience_s)
        self._waiting.append(lookup)
        return lookup

    def passed(self, now: float) -> list[Lookup]:
        """Take out those that have waited for long enough."""
        passed = []
        while (due := self.next()) is not None and due <= now:
            passed.append(self._waiting.popleft())
        return passed

    def next(self) -> float | None:
        """Return when the next one has, monotonic seconds."""
        while self._waiting and self._waiting[0].over:
            self._waiting.popleft()
        return self._waiting[0].due if self._waiting else None

    def give_up(self) -> None:
        """Have none of them answered any more."""
        while self._waiting:
            self._waiting.popleft().over = True
