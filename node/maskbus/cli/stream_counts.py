"""What became of a stream's frames, over all the times that it was opened."""

from __future__ import annotations

import threading
from collections import Counter

from maskbus_wire.replies import StreamCounts


class CountSum:
    """Add up counts that begin anew whenever a stream is opened again. Any thread may call."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._is_final = False
        self._before: Counter[str] = Counter()
        self._now = StreamCounts()
        self._answered_before = 0

    def see(self, counts: StreamCounts) -> None:
        """Take the counts of the newest result."""
        with self._changing:
            # A result may be here only after the stream has been closed, and would look like a new beginning.
            if not self._is_final:
                self._take(counts)

    def finish(self, counts: StreamCounts) -> None:
        """Take the counts that a stream was closed with."""
        with self._changing:
            self._take(counts)
            self._is_final = True

    def _take(self, counts: StreamCounts) -> None:
        if counts.received < self._now.received:
            self._before.update(self._now.dropped)
            self._answered_before += self._now.answered
        self._now = counts

    @property
    def answered(self) -> int:
        """Frames whose masks were published."""
        return self._answered_before + self._now.answered

    @property
    def dropped(self) -> dict[str, int]:
        """Frames that the node dropped, by cause."""
        return dict(self._before + Counter(self._now.dropped))


def line(name: str, frames: int, masks: int, dropped: dict[str, int]) -> str:
    """Return it in one line: "front: 300 frames, 290 masks, 10 dropped (newer: 8, stale: 2)"."""
    causes = ", ".join(f"{cause}: {count}" for cause, count in sorted(dropped.items()) if count)
    total = sum(dropped.values())
    return f"{name}: {frames} frames, {masks} masks, {total} dropped" + (f" ({causes})" if causes else "")
