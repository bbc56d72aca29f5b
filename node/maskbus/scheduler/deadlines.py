"""Which jobs run out of time next."""

from __future__ import annotations

import heapq

from maskbus.scheduler.job import Job

_COMPACT_FROM = 256


class Deadlines:
    """Order jobs by deadline. Answered jobs are dropped when their turn comes, or in one sweep when they pile up."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Job]] = []
        self._compact_at = _COMPACT_FROM

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, job: Job) -> None:
        """Watch a job."""
        if len(self._heap) >= self._compact_at:
            self._heap = [entry for entry in self._heap if not entry[2].answered]
            heapq.heapify(self._heap)
            self._compact_at = max(_COMPACT_FROM, 2 * len(self._heap))
        heapq.heappush(self._heap, (job.deadline, job.number, job))

    def passed(self, now: float) -> list[Job]:
        """Take out and return the unanswered jobs whose deadline is over at `now` (monotonic seconds)."""
        late: list[Job] = []
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].answered):
            job = heapq.heappop(self._heap)[2]
            if not job.answered:
                late.append(job)
        return late

    def next(self) -> float | None:
        """Return when the next deadline is, monotonic seconds, or None."""
        while self._heap and self._heap[0][2].answered:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None
