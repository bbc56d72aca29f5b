"""How many requests, and bytes of their bodies, are under way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from maskbus.adapters.http.problems import Refused
from maskbus.adapters.http.settings import Limits


class Room:
    """Let in what there is room for; belongs to one event loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.requests = 0
        """Requests under way."""
        self.bytes = 0
        """Bytes of their bodies."""

    @contextlib.contextmanager
    def seat(self) -> Iterator[Seat]:
        """Take a request in, and let go of all it has held at the end. Refused if there are too many."""
        if self.requests >= self._limits.requests:
            raise Refused("busy", f"{self.requests} requests are under way already.")
        self.requests += 1
        seat = Seat(self, self._limits)
        try:
            yield seat
        finally:
            self.requests -= 1
            self.bytes -= seat.bytes


class Seat:
    """What one request holds."""

    def __init__(self, room: Room, limits: Limits) -> None:
        self._room = room
        self._limits = limits
        self.bytes = 0

    def hold(self, count: int) -> None:
        """Hold a body of `count` bytes by now. Refused if it is too large, or if all bodies together are."""
        if count > self._limits.body_bytes:
            raise Refused("too_large", f"The body has more than {self._limits.body_bytes} bytes.")
        more = count - self.bytes
        if more <= 0:
            return
        if self._room.bytes + more > self._limits.held_bytes:
            raise Refused("busy", "The bodies that are under way take up all the room there is.")
        self._room.bytes += more
        self.bytes = count
