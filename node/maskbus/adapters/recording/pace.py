"""When the messages of a recording are due again."""

from __future__ import annotations

import time


class Pace:
    """Map the times of a recording to the monotonic clock, from its first message on."""

    def __init__(self, rate: float) -> None:
        """Begin with the first message; `rate` is how many times as fast as it came, 0: as fast as it goes."""
        self._rate = rate
        self._start = 0.0
        self._first: int | None = None
        self._last = 0

    def moment(self, log_time: int) -> float | None:
        """Return when a message of this time, nanoseconds, is due, in seconds of the monotonic clock; None: now."""
        if not self._rate:
            return None
        # A recording that is played again and again begins anew.
        if self._first is None or log_time < self._last:
            self._start, self._first = time.monotonic(), log_time
        self._last = log_time
        return self._start + (log_time - self._first) / 1e9 / self._rate
