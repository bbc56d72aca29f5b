"""Leaving out what keeps failing, for a while. No clock."""

from __future__ import annotations


class Breaker:
    """Count failures in a row; after some, say no for a while, and then yes once, to see how it goes.

    The three states are those of Nygard, Release It!, 2007, chapter 5.2: closed, open, half open.
    """

    def __init__(self, failures: int, pause: float) -> None:
        """Begin closed.

        Args:
            failures: In a row, after which it opens.
            pause: Seconds that it stays open.
        """
        self._failures = failures
        self._pause = pause
        self._in_a_row = 0
        self._until: float | None = None
        self._trying = False

    def may_try(self, now: float) -> bool:
        """Tell whether it may be used at `now`, monotonic seconds."""
        return self._until is None or (now >= self._until and not self._trying)

    def begin(self, now: float) -> None:
        """Note that it is being used. After a pause, nobody else may until it is known how that went."""
        self._trying = self._until is not None and now >= self._until

    def left_out(self, now: float) -> float:
        """Return for how many seconds it is still left out; 0 where it is not."""
        return 0.0 if self._until is None else max(0.0, self._until - now)

    def succeeded(self) -> None:
        """Note that it works."""
        self._in_a_row = 0
        self._until = None
        self._trying = False

    def failed(self, now: float) -> None:
        """Note that it has failed."""
        self._in_a_row += 1
        if self._trying or self._in_a_row >= self._failures:
            self._until = now + self._pause
        self._trying = False

    def came_to_nothing(self) -> None:
        """Note that nothing was found out: the request was cancelled, say."""
        self._trying = False
