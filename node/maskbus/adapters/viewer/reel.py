"""The last frames of one stream, kept until their masks come, and which of them is to be seen. No socket, no clock."""

from __future__ import annotations

from collections import deque

from maskbus.adapters.viewer.frame import Frame, Key
from maskbus.adapters.viewer.picture import Picture
from maskbus_client.results import Result

MOST_FRAMES = 300
"""Frames that wait for masks: ten seconds of most cameras."""
_PATIENCE = (2.0, 10.0)
"""Seconds without masks after which a frame is shown without: at least, and at most."""
_FIRST = 0.5
"""The same before the first masks: somebody has just begun to look."""
_INTERVALS = 3
"""… and so many times as long as masks lately took at most to come after those before them."""


class Reel:
    """Pair frames with their masks.

    A frame is shown with the masks that belong to it, and only where none come for a while without any. Of several that
    could be shown the last one is; those before it are let go of.
    """

    def __init__(self, limit: int) -> None:
        """Begin.

        Args:
            limit: Bytes that waiting frames may hold before `heavy` names one to be made smaller; at twice as many the
                oldest are let go of.
        """
        self.limit = limit
        self.shown: Picture | None = None
        """What is to be seen now."""
        self._frames: dict[Key, Frame] = {}
        self._early: Result | None = None
        self._first_at = self._masks_at = float("-inf")
        self._intervals: deque[float] = deque(maxlen=8)

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def nbytes(self) -> int:
        """Bytes that the waiting frames hold."""
        return sum(frame.nbytes for frame in self._frames.values())

    def add(self, frame: Frame, now: float) -> bool:
        """Take the next frame; tell whether there is something else to be seen now."""
        if self._first_at == float("-inf"):
            self._first_at = now
        self._frames.pop(frame.key, None)
        self._frames[frame.key] = frame
        self._trim()
        early = self._early
        if early is not None and _key(early) == frame.key:
            return self._pair(frame, early, now)
        return self.look(now)

    def match(self, result: Result, now: float) -> bool:
        """Take masks; tell whether there is something else to be seen now."""
        key = _key(result)
        frame = self._frames.get(key)
        if frame is None and self.shown is not None and self.shown.frame.key == key:
            frame = self.shown.frame  # masks anew, because somebody has corrected them
        if frame is None:
            self._early = result
            return False
        return self._pair(frame, result, now)

    def look(self, now: float) -> bool:
        """Show the newest frame without masks if these have not come for long; tell whether that is something else."""
        newest = next(reversed(self._frames.values()), None)
        if newest is None or now - max(self._first_at, self._masks_at) <= self._patience():
            return False
        if self.shown is not None and self.shown.frame is newest:
            return False
        self.shown = Picture(newest, None)
        return True

    def heavy(self) -> Frame | None:
        """Return the frame that is to be made smaller next; None where there is room."""
        if self.nbytes <= self.limit:
            return None
        return next((frame for frame in self._frames.values() if frame.data is not None), None)

    def _patience(self) -> float:
        if self._masks_at == float("-inf"):
            return _FIRST
        least, most = _PATIENCE
        return min(most, max(least, _INTERVALS * max(self._intervals, default=0.0)))

    def _pair(self, frame: Frame, result: Result, now: float) -> bool:
        self._early = None
        if self._masks_at > float("-inf"):
            self._intervals.append(now - self._masks_at)
        self._masks_at = now
        self.shown = Picture(frame, result)
        # Results come in the order of their frames: what is older will have none.
        for key in list(self._frames):
            if key == frame.key:
                break
            del self._frames[key]
        return True

    def _trim(self) -> None:
        while len(self._frames) > MOST_FRAMES or (len(self._frames) > 1 and self.nbytes > 2 * self.limit):
            del self._frames[next(iter(self._frames))]


def _key(result: Result) -> Key:
    return result.seq, result.stamp
