"""What a conversation asks of its transport, one step at a time.

A flow is a generator that yields steps and is sent what came of each. It never touches a socket or a clock of its own,
so one and the same flow runs under the blocking client, under asyncio, and in a test under a list of events.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

from maskbus_client.link import Arrival, Garbage, Link
from maskbus_wire.frames import Buffer


class Connect:
    """Give me a connection. Answered with a Link.

    `instead_of` names one that is no good any more: the flow is finished with it and wants another.
    """

    __slots__ = ("instead_of",)

    def __init__(self, instead_of: Link | None = None) -> None:
        self.instead_of = instead_of


class Send:
    """Send these frames over the connection. Answered with None.

    `id` is the one that replies will carry. `copy` says that the frames' memory may change before it has been read.
    `work` says that the node will work on it, so that it is to be cancelled should the caller give up; `farewell` that
    it must still go out though the connection may be closed at once.
    """

    __slots__ = ("copy", "farewell", "frames", "id", "work")

    def __init__(
        self, frames: list[Buffer], id: str, *, copy: bool = True, work: bool = False, farewell: bool = False
    ) -> None:
        self.frames = frames
        self.id = id
        self.copy = copy
        self.work = work
        self.farewell = farewell


class Wait:
    """Wait for a message. Answered with it, or with None once the clock says `until`."""

    __slots__ = ("until",)

    def __init__(self, until: float) -> None:
        self.until = until


Step: TypeAlias = Connect | Send | Wait
Event: TypeAlias = Link | Arrival | Garbage | None

T = TypeVar("T")
Flow: TypeAlias = Generator[Step, Event, T]
"""A conversation with the node that ends in a T."""
