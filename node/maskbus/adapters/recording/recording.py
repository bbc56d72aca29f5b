"""A recording that is read: what is in it, and its messages in the order they came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from mcap.reader import SeekingReader
from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader
from mcap.summary import Summary
from mcap.writer import MCAP0_MAGIC

from maskbus.adapters.recording import wire_message
from maskbus.adapters.recording.wanted import Wanted

_RECORD_LIMIT = 1 << 30
"""Bytes of one chunk, packed: far more than a recorder writes."""


class UnreadableRecording(Exception):
    """Say in one sentence what is wrong with a file."""


@dataclass(frozen=True)
class Recorded:
    """One message."""

    log_time: int
    """When it was received, nanoseconds since the epoch."""
    frames: Sequence[bytes]
    """Topic, header, attachments: as they came."""

    @property
    def topic(self) -> str:
        """The topic."""
        return self.frames[0].decode("utf-8", "replace")


@dataclass
class Contents:
    """What a recording holds."""

    start: int = 0
    """Time of the first message, nanoseconds since the epoch; 0 where there is none."""
    end: int = 0
    """Time of the last."""
    topics: dict[str, int] = field(default_factory=dict)
    """Messages by topic, as the node published them."""
    views: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Topics for viewers: schema and messages."""
    is_cut: bool = False
    """Whether the file has no proper end."""

    @property
    def seconds(self) -> float:
        """Time from the first message to the last."""
        return (self.end - self.start) / 1e9


class Recording:
    """Read an MCAP file, in bounded memory. A context manager.

    One that has no proper end, because its writer was killed, is read up to its last whole chunk.
    """

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            OSError: if it cannot be opened.
            UnreadableRecording: if it is no MCAP file.
        """
        self.path = path
        self._file = path.open("rb")
        self._summary: Summary | None = None
        try:
            if self._file.read(len(MCAP0_MAGIC)) != MCAP0_MAGIC:
                raise UnreadableRecording(f"{path} is not an MCAP file.")
            self._summary = self._find_summary()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def is_cut(self) -> bool:
        """Whether the file has no proper end."""
        return self._summary is None

    def contents(self) -> Contents:
        """Say what is in it. One without an index is read from its beginning to its end for that.

        Raises:
            UnreadableRecording: where the file is damaged.
        """
        if self._summary is None or self._summary.statistics is None:
            return self._count()
        found = Contents()
        statistics = self._summary.statistics
        if statistics.message_count:
            found.start, found.end = statistics.message_start_time, statistics.message_end_time
        for number, count in statistics.channel_message_counts.items():
            channel = self._summary.channels.get(number)
            if channel is None:
                raise UnreadableRecording(f"{self.path} is damaged: it counts messages of a channel that it has not.")
            _note(found, channel, self._summary.schemas.get(channel.schema_id), count)
        return found

    def messages(
        self, wanted: Wanted | None = None, *, start: float = 0.0, end: float | None = None
    ) -> Iterator[Recorded]:
        """Yield the messages as they were received.

        Args:
            wanted: Which topics; None: all.
            start: Seconds from the beginning of the recording at which to begin.
            end: Seconds from the same at which to end; None: all of it.

        Raises:
            UnreadableRecording: where the file is damaged, or holds what no recorder writes. That it has no end is no
                error.
        """
        statistics = self._summary.statistics if self._summary else None
        first = statistics.message_start_time if statistics else None
        begin = None if first is None else first + round(start * 1e9)
        for schema, channel, message in self._records(begin):
            first = message.log_time if first is None else first
            since = (message.log_time - first) / 1e9
            if end is not None and since > end:
                return
            if since < start or not _is_wire(channel, schema):
                continue
            try:
                recorded = Recorded(message.log_time, wire_message.unpack(message.data))
            except ValueError as error:
                raise UnreadableRecording(f"{self.path}: {error}.") from None
            if wanted is None or recorded.topic in wanted:
                yield recorded

    def _records(self, begin: int | None) -> Iterator[tuple[Schema | None, Channel, Message]]:
        self._file.seek(0)
        if self._summary is None:
            yield from self._linear()
            return
        topics = [
            channel.topic
            for channel in self._summary.channels.values()
            if _is_wire(channel, self._summary.schemas.get(channel.schema_id))
        ]
        reader = SeekingReader(self._file, validate_crcs=True, record_size_limit=_RECORD_LIMIT)
        try:
            yield from reader.iter_messages(topics, starting_at=begin)
        except GeneratorExit:
            raise
        except Exception as error:  # mcap and its decompressors raise whatever a damaged file provokes
            raise UnreadableRecording(f"{self.path} is damaged: {_line(error)}.") from None

    def _linear(self) -> Iterator[tuple[Schema | None, Channel, Message]]:
        """Yield what is there, up to where it breaks off."""
        schemas: dict[int, Schema] = {}
        channels: dict[int, Channel] = {}
        records = StreamReader(self._file, validate_crcs=True, record_size_limit=_RECORD_LIMIT).records
        while True:
            try:
                record: Any = next(records)
            except Exception:  # the end, where the writer was killed: StopIteration, or whatever half a record provokes
                return
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, Channel):
                channels[record.id] = record
            elif isinstance(record, Message) and record.channel_id in channels:
                channel = channels[record.channel_id]
                yield schemas.get(channel.schema_id), channel, record

    def _count(self) -> Contents:
        found = Contents(is_cut=self.is_cut)
        for schema, channel, message in self._linear_from_start():
            found.start = found.start or message.log_time
            found.end = max(found.end, message.log_time)
            _note(found, channel, schema, 1)
        return found

    def _linear_from_start(self) -> Iterator[tuple[Schema | None, Channel, Message]]:
        self._file.seek(0)
        return self._linear()

    def _find_summary(self) -> Summary | None:
        """Return the index at the end of the file; None where it has none, because it was cut."""
        size = len(MCAP0_MAGIC)
        if self._file.seek(0, 2) < 2 * size:
            return None
        self._file.seek(-size, 2)
        if self._file.read() != MCAP0_MAGIC:
            return None
        self._file.seek(0)
        try:
            return SeekingReader(self._file, record_size_limit=_RECORD_LIMIT).get_summary()
        except Exception:  # mcap raises whatever a damaged file provokes
            return None


def _note(found: Contents, channel: Channel, schema: Schema | None, count: int) -> None:
    if _is_wire(channel, schema):
        topic = channel.topic.removeprefix(wire_message.channel_topic(""))
        found.topics[topic] = found.topics.get(topic, 0) + count
    else:
        before = found.views.get(channel.topic, ("", 0))[1]
        found.views[channel.topic] = (schema.name if schema else "", before + count)


def _is_wire(channel: Channel, schema: Schema | None) -> bool:
    known = schema is not None and schema.name == wire_message.SCHEMA
    return known and channel.message_encoding == wire_message.ENCODING


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
