"""A whole message as one run of bytes, for a slot of shared memory (SPEC.md, section 18).

A table of the frames' lengths, then the frames: the header and the attachments, without the delimiter.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from maskbus_wire.errors import WireError
from maskbus_wire.frames import Buffer
from maskbus_wire.limits import DEFAULT_LIMITS, Limits

_HEAD: Final = struct.Struct("<II")
_LENGTH_BYTES: Final = 8


def size(frames: Sequence[Buffer]) -> int:
    """Return how many bytes the frames take together with their table."""
    return _HEAD.size + _LENGTH_BYTES * len(frames) + sum(memoryview(frame).nbytes for frame in frames)


def table(frames: Sequence[Buffer]) -> bytes:
    """Return what stands before the frames."""
    lengths = [memoryview(frame).nbytes for frame in frames]
    return _HEAD.pack(len(frames), 0) + struct.pack(f"<{len(frames)}Q", *lengths)


def split(data: memoryview, limits: Limits = DEFAULT_LIMITS) -> list[memoryview]:
    """Return the frames as views of `data`, which is all that the slot's entry says is used.

    Raises:
        WireError: `malformed` where the lengths do not add up to the bytes that are there; `too_large` for more frames,
            or larger ones, than `limits` allow.
    """
    if data.nbytes < _HEAD.size:
        raise WireError("malformed", f"{data.nbytes} bytes are no message: not even a table of frames.")
    count, reserved = _HEAD.unpack(data[: _HEAD.size])
    start = _HEAD.size + _LENGTH_BYTES * count
    if count == 0 or reserved:
        raise WireError("malformed", "The message has no header frame, or its table of frames is none.")
    if start > data.nbytes:
        raise WireError("malformed", f"A table of {count} frames is not in the {data.nbytes} bytes that are there.")
    if count - 1 > limits.attachments:
        raise WireError("too_large", f"The message has more than {limits.attachments} attachments.")
    lengths = struct.unpack(f"<{count}Q", data[_HEAD.size : start])
    if start + sum(lengths) != data.nbytes:
        raise WireError(
            "malformed", f"The frames are said to take {start + sum(lengths)} bytes; {data.nbytes} are there."
        )
    if max(lengths) > limits.frame_bytes:
        raise WireError("too_large", f"A frame has {max(lengths)} bytes; the limit is {limits.frame_bytes}.")
    frames = []
    for length in lengths:
        frames.append(data[start : start + length])
        start += length
    return frames
