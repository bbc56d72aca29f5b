"""How long to wait before the next try."""

from __future__ import annotations

import random


class Backoff:
    """Pauses that double, each with chance in it: cameras that went away together are not asked in step."""

    def __init__(self, first: float = 0.5, most: float = 15.0) -> None:
        self._first = first
        self._most = most
        self._tries = 0

    def next(self) -> float:
        """Return the next pause, seconds."""
        pause = min(self._most, self._first * 2.0 ** min(self._tries, 30))
        self._tries += 1
        return pause * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin with short ones again: it has worked."""
        self._tries = 0
