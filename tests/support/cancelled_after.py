"""A job that is taken back while it is worked on."""

from __future__ import annotations

from maskbus.contract import FreeJob
from maskbus.interfaces import JobAborted


class CancelledAfter(FreeJob):
    def __init__(self, checks: int) -> None:
        self.left = checks

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise JobAborted("cancelled")
