"""Jobs without a node."""

from __future__ import annotations

from collections.abc import Sequence

from maskbus.interfaces import FoundObject, JobAborted


class FreeJob:
    """A job that nobody cancels and that has all the time in the world."""

    def check(self) -> None:
        """Let the handler go on."""

    def remaining(self) -> float:
        """Return an hour."""
        return 3600.0

    def progress(self, done: int, total: int, found: Sequence[FoundObject] = ()) -> None:
        """Take note of nothing."""


class CancelledJob(FreeJob):
    """A job that was taken back before it began."""

    def check(self) -> None:
        """Raise `JobAborted`."""
        raise JobAborted("The request was cancelled.")
