"""How far a search is."""

from __future__ import annotations

from collections.abc import Sequence

from maskbus.interfaces import FoundObject, Job


class Tally:
    """Count decoded points, and tell the job. The count never goes back, whatever is begun again."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._done = 0
        self._total = 0

    def begin(self, points: int) -> None:
        """Expect so many more points, in place of any that were expected before."""
        self._total = self._done + points

    def add(self, points: int, found: Sequence[FoundObject]) -> None:
        """Count points and tell which masks they found."""
        self._done += points
        self._job.progress(self._done, self._total, found)
