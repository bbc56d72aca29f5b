"""The waiting line in front of one model: three lanes, one bound, no clock and no socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from maskbus.scheduler.job import LANES, Job


class QueueFull(Exception):
    """Say that one more job does not fit."""

    def __init__(self, length: int) -> None:
        super().__init__(f"{length} requests wait already.")
        self.length = length


class ModelQueue:
    """Keep jobs in the order in which they are to be worked on: by lane, then by arrival."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lanes: dict[str, deque[Job]] = {lane: deque() for lane in LANES}

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def __iter__(self) -> Iterator[Job]:
        return (job for jobs in self._lanes.values() for job in jobs)

    def lane(self, name: str) -> Iterator[Job]:
        """Iterate over the jobs of one lane, in order."""
        return iter(self._lanes[name])

    def lengths(self) -> dict[str, int]:
        """Return how many jobs wait in each lane that has any."""
        return {lane: len(jobs) for lane, jobs in self._lanes.items() if jobs}

    def require_room(self) -> None:
        """Raise `QueueFull` if one more request would not fit. Frames of streams have bounds of their own."""
        if len(self) >= self._capacity and (length := sum(not job.is_frame for job in self)) >= self._capacity:
            raise QueueFull(length)

    def push(self, job: Job) -> None:
        """Put a job at the end of its lane. Raises `QueueFull`."""
        if not job.is_frame:
            self.require_room()
        self._lanes[job.lane].append(job)

    def pop(self, fits: Callable[[Job], bool] = lambda _: True, lanes: Sequence[str] = LANES) -> Job | None:
        """Take out the first job of these lanes that `fits`, or return None."""
        for lane in lanes:
            jobs = self._lanes[lane]
            for job in jobs:
                if fits(job):
                    jobs.remove(job)
                    return job
        return None

    def remove(self, job: Job) -> bool:
        """Take a job out wherever it stands; tell whether it was there."""
        try:
            self._lanes[job.lane].remove(job)
        except ValueError:
            return False
        return True

    def drain(self) -> list[Job]:
        """Take out all jobs, in order."""
        jobs = list(self)
        for lane in self._lanes.values():
            lane.clear()
        return jobs
