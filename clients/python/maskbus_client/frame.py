"""A frame of a stream, as the node received it, for those who look at it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskbus_client import picture, reply_bytes
from maskbus_client.errors import ProtocolError
from maskbus_client.link import REPLY_LIMITS
from maskbus_wire import header, raw_image, replies
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Buffer, decode_reply
from maskbus_wire.limits import DEFAULT_LIMITS

PREFIX = "frames/"
"""What the topics of frames begin with."""


class Frame:
    """One frame. Its picture is decoded at the first look and kept."""

    def __init__(self, reply: replies.PublishedFrame, attachments: Sequence[Buffer]) -> None:
        """Use a published message. ProtocolError if its bytes are not there."""
        self.reply = reply
        """The wire's own message."""
        self._data = reply_bytes.held(reply.image, attachments, "image")
        self._picture: NDArray[np.uint8] | None = None

    def __repr__(self) -> str:
        return f"<Frame {self.seq} of {self.stream!r}: {self.encoding}, {memoryview(self._data).nbytes} bytes>"

    @property
    def stream(self) -> str:
        """Name of the stream."""
        return self.reply.stream

    @property
    def seq(self) -> int | None:
        """Number of the frame, as its producer had it; the masks of the frame have the same."""
        return self.reply.seq

    @property
    def stamp(self) -> int | None:
        """Time of the frame in nanoseconds since the epoch, as its producer had it."""
        return self.reply.stamp

    @property
    def frame_id(self) -> str | None:
        """Coordinate frame of the camera, as its producer had it."""
        return self.reply.frame_id

    @property
    def encoding(self) -> str:
        """How `data` is to be read: "rgb8", "bgr8", "mono8", "rgba8", "bgra8", "jpeg", "png" or "webp"."""
        return self.reply.image.encoding or ""

    @property
    def data(self) -> bytes | memoryview:
        """The bytes as they were sent."""
        return self._data

    @property
    def image(self) -> NDArray[np.uint8]:
        """The upright picture as RGB uint8 (H, W, 3), read-only. ProtocolError if the bytes are none."""
        if self._picture is None:
            found = reply_bytes.reading("image", self._decode)
            found.flags.writeable = False
            self._picture = found
        return self._picture

    def _decode(self) -> NDArray[np.uint8]:
        image, encoding = self.reply.image, self.encoding
        if encoding not in raw_image.CHANNELS:
            return picture.from_file(bytes(self._data))
        width, height = image.width or 0, image.height or 0
        if not (0 < width <= DEFAULT_LIMITS.side and 0 < height <= DEFAULT_LIMITS.side):
            raise ValueError(f"an image of {width} × {height} pixels")
        view = raw_image.view(self._data, width, height, image.step or 0, encoding)
        return picture.from_array(view, "bgr" if encoding.startswith("b") else "rgb")


class FrameFilter:
    """Let the frames of one stream through."""

    def __init__(self, stream: str) -> None:
        """Begin.

        Args:
            stream: Its name, or the topic of its frames.

        Raises:
            TypeError, ValueError: for what cannot be one.
        """
        if not isinstance(stream, str):
            raise TypeError(f"A stream's name is text, not {type(stream).__name__}.")
        name = stream.removeprefix(PREFIX)
        if not name or "/" in name or ":" in name:
            raise ValueError(f'A stream\'s name has at least one character, no "/" and no ":", unlike {stream!r}.')
        self.topic = f"{PREFIX}{name}"
        """Where its frames are published."""

    @property
    def wanted(self) -> bytes:
        """What to subscribe to."""
        return self.topic.encode()

    def read(self, frames: Sequence[Buffer]) -> Frame | None:
        """Return the frame in a message, None if it is another stream's. ProtocolError if it cannot be read."""
        if bytes(frames[0]) != self.wanted:
            return None
        if len(frames) < 2:
            raise ProtocolError("A published message has no header.")
        try:
            reply = decode_reply(header.unpack(bytes(frames[1]), REPLY_LIMITS))
        except WireError as error:
            raise ProtocolError(f"A published message breaks the wire contract: {error.message}") from None
        if not isinstance(reply, replies.PublishedFrame):
            raise ProtocolError(f"A {type(reply).__name__} was published where a frame was due.")
        return Frame(reply, frames[2:])
