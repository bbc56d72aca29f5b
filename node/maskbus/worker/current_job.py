"""The job a worker is at, as its handler may ask about it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from maskbus.interfaces import DeadlinePassed, FoundObject, JobAborted
from maskbus.worker.channel import Channel, unpack


class Inbox:
    """What has come from the node and has not been worked on."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: deque[dict[str, Any]] = deque()
        self._cancelled: set[int] = set()

    def next(self, patience: float | None = None) -> dict[str, Any]:
        """Wait for the next message that is no cancellation, and return it. Raises as `Channel.receive`."""
        while not self._waiting:
            self._sort(unpack(self._channel.receive(patience)[0]))
        return self._waiting.popleft()

    def is_cancelled(self, number: int) -> bool:
        """Look, without waiting, whether the node has taken a job back."""
        for frames in self._channel.poll():
            self._sort(unpack(frames[0]))
        return number in self._cancelled

    def forget(self, number: int) -> None:
        """Drop what was noted about a job that is over."""
        self._cancelled.discard(number)

    def _sort(self, message: dict[str, Any]) -> None:
        if message["type"] == "cancel":
            self._cancelled.add(message["job"])
        else:
            self._waiting.append(message)


class CurrentJob:
    """Implement `maskbus.interfaces.Job`."""

    def __init__(self, number: int, deadline: float, inbox: Inbox) -> None:
        self.number = number
        self.report: Callable[[int, int, Sequence[FoundObject]], None] | None = None
        """Takes what the handler tells of its progress, where somebody wants to know."""
        self._deadline = deadline
        self._inbox = inbox

    def check(self) -> None:
        """Raise `JobAborted` if the requester has cancelled, `DeadlinePassed` if it is too late."""
        if self._inbox.is_cancelled(self.number):
            raise JobAborted("The request was cancelled.")
        if self.remaining() <= 0:
            raise DeadlinePassed("The deadline passed while the model worked.")

    def remaining(self) -> float:
        """Return the seconds left until the deadline."""
        return self._deadline - time.monotonic()

    def progress(self, done: int, total: int, found: Sequence[FoundObject] = ()) -> None:
        """Tell how far the job is."""
        if self.report is not None:
            self.report(done, total, found)
