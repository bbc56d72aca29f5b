"""An MCAP file that is being written: each message whole, and what a viewer shows of it."""

from __future__ import annotations

import time
from typing import Any

from mcap.writer import CompressionType, Writer
from mcap_protobuf.schema import register_schema

from maskbus import __version__
from maskbus.adapters.recording import frame_view, mask_view, wire_message
from maskbus.adapters.recording.inbox import Arrival
from maskbus.adapters.recording.moments import PictureTimes, publish_time
from maskbus.adapters.recording.output import Output
from maskbus_client.errors import MaskbusError
from maskbus_wire.replies import Masks, PublishedFrame

_CHUNK = 4 << 20
_EVERY = 1.0
"""Seconds after which what has come is on the disk, whatever becomes of this process."""


class RecordingFile:
    """Write messages and their pictures to an `Output`, in chunks. Not safe for several threads."""

    def __init__(self, output: Output) -> None:
        self._output = output
        # As Any: it is annotated in part, and takes whatever has write, tell and flush.
        stream: Any = output
        self._writer: Any = Writer(stream, chunk_size=_CHUNK, compression=CompressionType.ZSTD)
        self._writer.start(library=f"maskbus {__version__}")
        self._output.mark()
        self._schemas: dict[str, int] = {}
        self._channels: dict[tuple[str, str], int] = {}
        self._taken: set[str] = set()
        self._times = PictureTimes()
        self._flush_at: float | None = None

    @property
    def is_full(self) -> bool:
        """Whether the disk is full, so that the file had better be closed now."""
        return self._output.is_full

    @property
    def nbytes(self) -> int:
        """Bytes of the file so far."""
        return self._output.tell()

    def write(self, arrival: Arrival, reply: Masks | PublishedFrame | None, *, draw: bool) -> None:
        """Write one message.

        Args:
            arrival: The message.
            reply: Its header, where it could be read.
            draw: Whether a picture of it is written as well.

        Raises:
            OSError: if that cannot be done. The file is as it was before then, and `close` leaves it so.
        """
        schema = self._schema(wire_message.SCHEMA, None)
        topic = wire_message.channel_topic(arrival.topic)
        channel = self._channel(topic, schema, wire_message.SCHEMA, wire_message.ENCODING)
        stamp = None if reply is None else reply.stamp
        self._add(channel, arrival.log_time, publish_time(stamp, arrival.log_time), wire_message.pack(arrival.frames))
        if draw and reply is not None:
            self._draw(arrival, reply)
        if self._flush_at is None:
            self._flush_at = time.monotonic() + _EVERY

    def flush_if_due(self) -> None:
        """Write an unfinished chunk that has waited for long enough. OSError as `write`."""
        if self._flush_at is not None and time.monotonic() >= self._flush_at:
            self._flush_at = None
            self._writer.flush()
            self._output.mark()

    def close(self) -> None:
        """Write what is left, and the index.

        Raises:
            OSError: if there is no room. The file ends at its last whole chunk then.
        """
        try:
            self._writer.finish()
            self._output.mark()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Leave the file as it is: without an index, up to its last whole chunk."""
        self._output.cut()
        self._output.close()

    def _draw(self, arrival: Arrival, reply: Masks | PublishedFrame) -> None:
        came, attachments = arrival.log_time, arrival.frames[2:]
        views: list[tuple[str, Any]] = []
        # What is no picture is recorded all the same: it is what somebody sent.
        try:
            if isinstance(reply, PublishedFrame):
                when = self._times.of_frame(reply.stream, reply.seq, reply.stamp, came)
                views.append((arrival.topic, frame_view.draw(reply, attachments, when)))
            else:
                when = self._times.of_masks(reply.stream, reply.seq, reply.stamp, came)
                view = mask_view.draw(reply, attachments, when)
                views.append((f"{arrival.topic}/annotations", view.annotations))
                if view.picture is not None:
                    views.append((arrival.topic, view.picture))
        except (MaskbusError, ValueError):
            return
        for topic, message in views:
            name = message.DESCRIPTOR.full_name
            channel = self._channel(topic, self._schema(name, type(message)), name, "protobuf")
            self._add(channel, came, publish_time(reply.stamp, came), message.SerializeToString())

    def _add(self, channel: int, log_time: int, published: int, data: bytes) -> None:
        self._writer.add_message(channel, log_time, data, published)
        if self._output.tell() > self._output.whole:
            self._output.mark()  # chunks are written in one go

    def _schema(self, name: str, kind: Any) -> int:
        if name not in self._schemas:
            empty = kind is None
            self._schemas[name] = (
                self._writer.register_schema(name, "", b"") if empty else register_schema(self._writer, kind)
            )
        return self._schemas[name]

    def _channel(self, topic: str, schema: int, name: str, encoding: str) -> int:
        key = topic, name
        if key not in self._channels:
            # A camera that goes over from files to raw pixels: viewers want one schema a topic.
            unused = topic if topic not in self._taken else f"{topic}/{name.rpartition('.')[2]}"
            self._taken.add(unused)
            self._channels[key] = self._writer.register_channel(unused, encoding, schema)
        return self._channels[key]
