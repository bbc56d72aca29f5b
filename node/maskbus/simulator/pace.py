"""A clock that says when the next frame is due."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator


class Pace:
    """Number frames at a steady rate. Each is due at its own time since the beginning, so errors do not add up.

    A frame that comes so late that the next one is due already is skipped, and counted, as a camera does.
    """

    def __init__(
        self,
        rate: float,
        *,
        lead: float = 0.0,
        wait: Callable[[float], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with frame 0.

        Args:
            rate: Frames a second.
            lead: Seconds until frame 0 is due.
            wait: Waits so many seconds at most, and tells whether to end.
            clock: Seconds that only go forward.
        """
        self.skipped = 0
        """Frames that were not due in time."""
        self._rate = rate
        self._wait = wait
        self._clock = clock
        self._begin = clock() + lead

    def numbers(self) -> Iterator[int]:
        """Yield each frame's number when it is due, until `wait` says to end."""
        number = 0
        while True:
            due = self._begin + number / self._rate
            while (left := due - self._clock()) > 0:
                if self._wait(left):
                    return
            if self._wait(0.0):
                return
            late = math.floor(-left * self._rate)
            self.skipped += late
            number += late
            yield number
            number += 1
