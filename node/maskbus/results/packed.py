"""An answer as one piece of bytes, for a store outside of the node, and back without trusting what is read.

Four bytes that say what it is, the CRC-32 of all that follows, the number of frames, the length of each, and the
frames; numbers are uint32, little endian.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from maskbus_wire import frames
from maskbus_wire.errors import WireError
from maskbus_wire.limits import Limits
from maskbus_wire.replies import Masks

_MAGIC = b"mba1"
_HEAD = struct.Struct("<4sI")
_COUNT = struct.Struct("<I")
_LIMITS = Limits(frame_bytes=2**32 - 1, attachments=4096, header_objects=4_000_000)
"""Of an answer: a node has written it, and there may be many masks."""


def pack(parts: Sequence[bytes]) -> bytes:
    """Return the frames of an answer as one."""
    body = b"".join([struct.pack(f"<I{len(parts)}I", len(parts), *map(len, parts)), *parts])
    return _HEAD.pack(_MAGIC, zlib.crc32(body)) + body


def unpack(data: bytes) -> tuple[bytes, ...] | None:
    """Return the frames of an answer, or None where `data` is none, or not as it was written."""
    if len(data) < _HEAD.size + _COUNT.size:
        return None
    magic, checksum = _HEAD.unpack_from(data)
    body = memoryview(data)[_HEAD.size :]
    if magic != _MAGIC or zlib.crc32(body) != checksum:
        return None
    (count,) = _COUNT.unpack_from(body)
    position = _COUNT.size * (1 + count)
    if not 1 <= count <= 1 + _LIMITS.attachments or position > len(body):
        return None
    parts = []
    for (length,) in _COUNT.iter_unpack(body[_COUNT.size : position]):
        parts.append(bytes(body[position : position + length]))
        position += length
    return tuple(parts) if position == len(body) and _is_answer(parts) else None


def _is_answer(parts: Sequence[bytes]) -> bool:
    try:
        plain, _ = frames.open_header(parts, _LIMITS)
        return isinstance(frames.decode_reply(plain), Masks)
    except WireError:
        return False
