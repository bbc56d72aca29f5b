"""Counts and latencies of each model, for the operation `stats`."""

from __future__ import annotations

import time
from collections import Counter, deque

from maskbus_wire.replies import ModelStats

_LATENCIES = 512
_WINDOW = 10.0


class Tally:
    """Add up what happened to one model's requests."""

    def __init__(self) -> None:
        self.answered = 0
        self.errors: Counter[str] = Counter()
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._seconds: deque[tuple[int, int]] = deque(maxlen=int(_WINDOW) + 1)

    def success(self, received: float, now: float) -> None:
        """Count an answer; both times are monotonic seconds."""
        self.answered += 1
        self._latencies.append(now - received)
        second = int(now)
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1] = (second, self._seconds[-1][1] + 1)
        else:
            self._seconds.append((second, 1))

    def error(self, code: str) -> None:
        """Count an error."""
        self.errors[code] += 1

    def stats(self, name: str, queued: dict[str, int], running: int, left_out_s: float = 0.0) -> ModelStats:
        """Describe the model."""
        now = time.monotonic()
        recent = sum(count for second, count in self._seconds if second > now - _WINDOW)
        ordered = sorted(self._latencies)
        return ModelStats(
            name=name,
            queued=queued,
            running=running,
            answered=self.answered,
            errors=dict(self.errors),
            rate=recent / _WINDOW,
            p50_ms=_percentile(ordered, 0.50) * 1e3,
            p99_ms=_percentile(ordered, 0.99) * 1e3,
            left_out_s=left_out_s,
        )


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
