"""The times of a recording: of receipt, and of the picture that a message is about."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TypeGuard

_YEAR_2000 = 946_684_800 * 10**9
_DAY = 86_400 * 10**9
_LATEST = 253_402_300_799 * 10**9
"""The end of the year 9999, as far as a protobuf Timestamp goes."""
_REMEMBERED = 1024


class SteadyClock:
    """Tell the time in nanoseconds since the epoch; it runs on evenly when the system's clock is set."""

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()

    def now(self) -> int:
        """Return the time."""
        return time.monotonic_ns() + self._offset


def publish_time(stamp: int | None, log_time: int) -> int:
    """Return the stamp where it is a time of day that can be, else the time of receipt; nanoseconds."""
    return stamp if stamp is not None and _YEAR_2000 <= stamp <= log_time + _DAY else log_time


class PictureTimes:
    """Give a frame and its masks the same time: that is how a viewer knows that they belong together.

    It is the frame's stamp, of whatever clock; for a frame without one, its time of receipt.
    """

    def __init__(self) -> None:
        self._received: OrderedDict[tuple[str, int], int] = OrderedDict()

    def of_frame(self, stream: str, seq: int | None, stamp: int | None, log_time: int) -> int:
        """Return the time of a frame, and remember it for its masks."""
        if _is_writable(stamp):
            return stamp
        if seq is not None:
            self._received[stream, seq] = log_time
            if len(self._received) > _REMEMBERED:
                self._received.popitem(last=False)
        return log_time

    def of_masks(self, stream: str | None, seq: int | None, stamp: int | None, log_time: int) -> int:
        """Return the time of the frame that masks are of; their own receipt where it is not known."""
        if _is_writable(stamp):
            return stamp
        if stream is None or seq is None:
            return log_time
        return self._received.get((stream, seq), log_time)


def _is_writable(stamp: int | None) -> TypeGuard[int]:
    return stamp is not None and 0 < stamp <= _LATEST
