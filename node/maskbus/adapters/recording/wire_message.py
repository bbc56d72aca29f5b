"""A published message as one MCAP message: its frames, byte for byte, as a MessagePack array of bin."""

from __future__ import annotations

from collections.abc import Sequence

import msgpack

from maskbus_wire.frames import Buffer

SCHEMA = "maskbus.Message"
"""Name of the schema. It has no definition: MessagePack says itself what is in it."""
ENCODING = "msgpack"
"""Message encoding of the channels."""


def channel_topic(topic: str) -> str:
    """Return the MCAP topic that the messages of a node's topic are recorded under."""
    return f"wire/{topic}"


def pack(frames: Sequence[Buffer]) -> bytes:
    """Return topic, header and attachments as one message."""
    packed: bytes = msgpack.packb(list(frames), use_bin_type=True)
    return packed


def unpack(data: bytes) -> list[bytes]:
    """Return topic, header and attachments. ValueError if the bytes are no such message."""
    try:
        frames = msgpack.unpackb(data, raw=False)
    except (ValueError, msgpack.UnpackException) as error:
        raise ValueError(f"a recorded message is no MessagePack: {error}") from None
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, bytes) for frame in frames):
        raise ValueError("a recorded message is no array of frames")
    return frames
