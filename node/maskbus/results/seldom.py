"""What is said again and again is logged now and then."""

from __future__ import annotations


class Seldom:
    """Allow something once in a while. No clock."""

    def __init__(self, interval_s: float = 60.0) -> None:
        """Begin with leave for the first.

        Args:
            interval_s: Seconds from one to the next.
        """
        self._interval_s = interval_s
        self._last: float | None = None

    def may(self, now: float) -> bool:
        """Tell whether it is time again at `now`, monotonic seconds; if so, the next one has to wait."""
        if self._last is not None and now < self._last + self._interval_s:
            return False
        self._last = now
        return True
