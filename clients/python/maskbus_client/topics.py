"""Which published messages a subscriber wants, and what it reads in them. No socket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar

from maskbus_client.arguments import ENCODINGS
from maskbus_client.errors import ProtocolError
from maskbus_client.link import REPLY_LIMITS
from maskbus_client.results import Result
from maskbus_wire import header, replies
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Buffer, decode_reply

T_co = TypeVar("T_co", covariant=True)


class Filter(Protocol[T_co]):
    """Choose and read what comes under a subscription."""

    @property
    def wanted(self) -> bytes:
        """What to subscribe to."""

    def read(self, frames: Sequence[Buffer]) -> T_co | None:
        """Return what a message holds, None if it was not asked for. ProtocolError if it cannot be read."""


class Published(NamedTuple):
    """One published message: its result, and what tells it from the others of its topic."""

    result: Result
    number: int | None
    retained: bool


class TopicFilter:
    """Let those messages through that were asked for, each once.

    A subscription on the wire is a prefix, so that of "cam1" brings "cam10" too; and what the node sends again for one
    late joiner reaches everybody.
    """

    def __init__(self, topic: str, *, encoding: str | None = None, prefix: bool = False) -> None:
        if not isinstance(topic, str):
            raise TypeError(f"A topic is text, not {type(topic).__name__}.")
        if ":" in topic or not (topic or prefix):
            raise ValueError(f'A topic has at least one character and no ":", unlike {topic!r}.')
        if encoding is not None and encoding not in ENCODINGS:
            raise ValueError(f"There is no mask encoding {encoding!r}; there are {', '.join(ENCODINGS)}.")
        self.wanted = (f"{encoding}:{topic}" if encoding else topic).encode()
        """What to subscribe to."""
        self._encoding = encoding
        self._prefix = prefix
        self._last: dict[bytes, int] = {}

    def read(self, frames: Sequence[Buffer]) -> Result | None:
        """Return the result in a message, None if it is none that was asked for.

        Raises:
            ProtocolError: if it is one that was asked for and cannot be read.
        """
        topic = bytes(frames[0])
        if not self._matches(topic):
            return None
        published = _open(frames)
        if published.number is not None:
            if published.retained and self._last.get(topic) == published.number:
                return None
            self._last[topic] = published.number
        return published.result

    def _matches(self, topic: bytes) -> bool:
        if not self._prefix:
            return topic == self.wanted
        # Without an encoding, the empty prefix would bring what other subscribers had encoded for them.
        return topic.startswith(self.wanted) and (self._encoding is not None or b":" not in topic)


def _open(frames: Sequence[Buffer]) -> Published:
    if len(frames) < 2:
        raise ProtocolError("A published message has no header.")
    try:
        reply = decode_reply(header.unpack(bytes(frames[1]), REPLY_LIMITS))
    except WireError as error:
        raise ProtocolError(f"A published message breaks the wire contract: {error.message}") from None
    if not isinstance(reply, replies.Masks):
        raise ProtocolError(f"A {type(reply).__name__} was published where masks were due.")
    return Published(Result(reply, frames[2:]), reply.published, reply.retained)
