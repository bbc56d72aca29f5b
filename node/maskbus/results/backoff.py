"""For how long something that has failed is left alone."""

from __future__ import annotations


class Backoff:
    """Wait after each failure in a row twice as long as after the one before. No clock and no thread."""

    def __init__(self, first_s: float = 1.0, most_s: float = 30.0) -> None:
        """Begin without a failure.

        Args:
            first_s: Seconds after the first failure.
            most_s: The longest wait, seconds.
        """
        self._first_s = first_s
        self._most_s = most_s
        self._wait_s = 0.0
        self.until = 0.0
        """When it may be tried again, monotonic seconds; it says nothing before the first failure."""

    def failed(self, now: float) -> None:
        """Note a failure at `now`, monotonic seconds."""
        self._wait_s = min(2 * self._wait_s, self._most_s) or self._first_s
        self.until = now + self._wait_s

    def worked(self) -> None:
        """Note a success: the next failure is the first again."""
        self._wait_s = 0.0
        self.until = 0.0

    def holds(self, now: float) -> bool:
        """Tell whether it is left alone still."""
        return now < self.until
