"""What the core knows of one connection, and how it reads what comes out of it. No socket."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from maskbus_wire import header, requests
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Buffer, encode
from maskbus_wire.limits import Limits

# A client trusts its node further than a node trusts its clients: hundreds of masks are hundreds of attachments, and
# their polygons are many numbers. Frames stay capped.
REPLY_LIMITS = Limits(attachments=65_536, header_objects=4_000_000)
"""What the client is willing to look at."""
_SMALL = 4096
"""Bytes of a header that need no counting before it is read."""


class Arrival(NamedTuple):
    """One message from the node whose header could be read."""

    id: str
    plain: dict[str, Any]
    attachments: Sequence[Buffer]


class Garbage(NamedTuple):
    """One message whose header could not be read, and why."""

    reason: str


def new_id() -> str:
    """Return a request id nobody can guess: 128 random bits as 32 hexadecimal digits."""
    return secrets.token_hex(16)


class Link:
    """Know which run of the node is at the other end of a connection.

    The first message over a connection is a ping, sent ahead of the first request and not waited for. Its answer names
    the run of the node; a later answer with another name means that the node was restarted and lost what it had.
    """

    def __init__(self) -> None:
        self._greeting = ""
        self.run: str | None = None
        """Random name of the node's run; None until the greeting has been answered."""
        self.received = 0
        """How many readable messages have come."""

    @property
    def greeted(self) -> bool:
        """Whether the greeting has been sent."""
        return bool(self._greeting)

    def greet(self) -> list[Buffer]:
        """Return the frames of the greeting."""
        self._greeting = new_id()
        return encode(requests.Ping(id=self._greeting))

    def open(self, frames: Sequence[Buffer]) -> Arrival | Garbage | None:
        """Read a message's header; None where it was only the answer to the greeting.

        Args:
            frames: As they came from the socket: the empty delimiter, the header, the attachments.
        """
        if len(frames) < 2 or len(frames[0]):
            return Garbage("no empty delimiter and header at its beginning")
        if len(frames) - 2 > REPLY_LIMITS.attachments:
            return Garbage(f"more than {REPLY_LIMITS.attachments} attachments")
        plain = _read_header(frames[1])
        if isinstance(plain, Garbage):
            return plain
        self.received += 1
        name = plain.get("id")
        if name and name == self._greeting:
            run = plain.get("node")
            if isinstance(run, str):
                self.run = run
            return None
        return Arrival(name if isinstance(name, str) else "", plain, frames[2:])


def _read_header(head: Buffer) -> dict[str, Any] | Garbage:
    if len(head) <= _SMALL:
        # A tenth of the time that the wire's own reader takes, whose caps so short a header cannot reach.
        try:
            plain = msgspec.msgpack.decode(head)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return Garbage("its header is not msgpack")
        return plain if isinstance(plain, dict) else Garbage("its header is not a map")
    try:
        return header.unpack(bytes(head) if isinstance(head, bytearray) else head, REPLY_LIMITS)
    except WireError as error:
        return Garbage(error.message)
