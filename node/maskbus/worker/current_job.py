"""The job a worker is at, as its handler may ask about it."""

from __future__ import annotations

import time
from collections import deque

from maskbus.interfaces import DeadlinePassed, JobAborted
from maskbus.worker.channel import Channel, Frame, unpack


class Inbox:
    """What has come from the node and has not been worked on."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: deque[list[Frame]] = deque()
        self._cancelled: set[int] = set()

    def next(self) -> list[Frame]:
        """Wait for the next message that is no cancellation."""
        while True:
            frames = self._waiting.popleft() if self._waiting else self._channel.receive()
            if not self._note(frames):
                return frames

    def is_cancelled(self, number: int) -> bool:
        """Look, without waiting, whether the node has taken a job back."""
        for frames in self._channel.poll():
            if not self._note(frames):
                self._waiting.append(frames)
        return number in self._cancelled

    def forget(self, number: int) -> None:
        """Drop what was noted about a job that is over."""
        self._cancelled.discard(number)

    def _note(self, frames: list[Frame]) -> bool:
        message = unpack(frames[0])
        if message["type"] != "cancel":
            return False
        self._cancelled.add(message["job"])
        return True


class CurrentJob:
    """Implement `maskbus.interfaces.Job`."""

    def __init__(self, number: int, deadline: float, inbox: Inbox) -> None:
        self.number = number
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
