"""Topics: who wants what in which encoding, and the last value for those who come late. No socket here."""

from __future__ import annotations

import typing
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from maskbus.worker.channel import unpack
from maskbus_wire import header
from maskbus_wire.replies import TopicStats
from maskbus_wire.requests import Encoding

Frame = bytes | bytearray | memoryview

_ENCODINGS = frozenset(typing.get_args(Encoding))
_MOST_TOPICS = 4096


@dataclass
class _Topic:
    published: int = 0
    last: list[Frame] | None = None
    number: int = 0
    nbytes: int = 0


class Publisher:
    """Keep the subscriptions and the topics' last values.

    A topic `masks/front` carries the encodings that the request asked for. `png:masks/front` carries PNG, whatever was
    asked for, as long as somebody subscribes to it or to a prefix of it that names the encoding.
    """

    def __init__(self, retained_bytes: int) -> None:
        self._subscriptions: set[str] = set()
        self._topics: OrderedDict[str, _Topic] = OrderedDict()
        self._retained_bytes = retained_bytes
        self._nbytes = 0

    def subscription(self, message: bytes) -> list[list[Frame]]:
        """Take in a subscription message of the XPUB socket; return the messages the newcomer is to be sent."""
        if not message:
            return []
        prefix = message[1:].decode("utf-8", "replace")
        if message[0] == 0:
            self._subscriptions.discard(prefix)
            return []
        if message[0] != 1:
            return []
        self._subscriptions.add(prefix)
        return [
            _message(name, topic.last, topic.number, retained=True)
            for name, topic in self._topics.items()
            if name.startswith(prefix) and topic.last is not None
        ]

    def has_subscribers(self, topic: str) -> bool:
        """Tell whether anybody subscribes to a topic, in whatever encoding."""
        return next(self.wanted(topic, ()), None) is not None

    def forget(self, topic: str) -> None:
        """Let go of a topic that nothing more will be published under, and of its last values."""
        for name in [name for name in self._topics if name.rpartition(":")[2] == topic]:
            self._nbytes -= self._topics.pop(name).nbytes

    def wanted(self, topic: str, encodings: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield name and encodings of every message that publishing under `topic` takes now."""
        if any(topic.startswith(prefix) for prefix in self._subscriptions):
            yield topic, tuple(encodings)
        chosen = {prefix.partition(":")[0] for prefix in self._subscriptions if ":" in prefix}
        for encoding in sorted(chosen & _ENCODINGS):
            name = f"{encoding}:{topic}"
            if any(":" in prefix and name.startswith(prefix) for prefix in self._subscriptions):
                yield name, (encoding,)

    def sent(self, name: str, frames: list[Frame], number: int) -> None:
        """Note that message `number` was published, and remember it as the topic's last value."""
        self.remember(name, frames, number)
        self._topics[name].published += 1

    def unforeseen(self, name: str, frames: list[Frame], number: int) -> list[Frame] | None:
        """Make the message for those who subscribed to a topic while the model worked: the reply, as it is."""
        if not any(name.startswith(prefix) for prefix in self._subscriptions):
            return None
        return _message(name, frames, number, retained=False)

    def remember(self, name: str, frames: list[Frame], number: int) -> None:
        """Remember the last value of a topic that nobody subscribes to yet: the reply, as it is."""
        topic = self._topics.pop(name, None) or _Topic()
        self._topics[name] = topic
        self._nbytes -= topic.nbytes
        size = sum(memoryview(frame).nbytes for frame in frames)
        fits = size <= self._retained_bytes
        topic.last, topic.number, topic.nbytes = (frames, number, size) if fits else (None, number, 0)
        self._nbytes += topic.nbytes
        while len(self._topics) > 1 and (self._nbytes > self._retained_bytes or len(self._topics) > _MOST_TOPICS):
            self._nbytes -= self._topics.popitem(last=False)[1].nbytes

    def stats(self) -> list[TopicStats]:
        """Describe the topics for the operation `stats`."""
        return [TopicStats(topic=name, published=topic.published) for name, topic in self._topics.items()]


def _message(name: str, frames: list[Frame], number: int, *, retained: bool) -> list[Frame]:
    plain = unpack(frames[0])  # the limits of the wire are not for what the node has written itself
    plain.pop("id", None)
    plain.pop("image_id", None)
    plain |= {"reply": "segment", "topic": name.rpartition(":")[2], "published": number}
    if retained:
        plain["retained"] = True
    return [name.encode(), header.pack(plain), *frames[1:]]
