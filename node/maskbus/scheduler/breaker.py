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
        self._trying: int | None = None

    def may_try(self, now: float) -> bool:
        """Tell whether it may be used at `now`, monotonic seconds."""
        return self._until is None or (now >= self._until and self._trying is None)

    def begin(self, who: int) -> None:
        """Note that `who`, a number, is using it. After a pause, nobody else may until it is known how that went."""
        if self._until is not None:
            self._trying = who

    def left_out(self, now: float) -> float:
        """Return for how many seconds it is still left out; 0 where it is not."""
        return 0.0 if self._until is None else max(0.0, self._until - now)

    def succeeded(self) -> None:
        """Note that it works."""
        self._in_a_row = 0
        self._until = None
        self._trying = None

    def failed(self, now: float) -> None:
        """Note that it has failed."""
        self._in_a_row += 1
        if self._trying is not None or self._in_a_row >= self._failures:
            self._until = now + self._pause
        self._trying = None

    def came_to_nothing(self, who: int) -> None:
        """Note that `who` has not found out anything: the request was cancelled, say."""
        if self._trying == who:
            self._trying = None
