"""Header bytes to plain values and back: msgpack, with every cap checked before memory is taken."""

from __future__ import annotations

from typing import Any

import msgpack

from maskbus_wire.errors import WireError
from maskbus_wire.limits import Limits

_SCAN_FROM = 64 * 1024
"""Headers up to this size cannot unpack to much; larger ones are counted through first."""

# Length of what follows a type byte: (bytes of the length field, bytes per unit, fixed extra, values per unit).
_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_FIXED |= {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8, 0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}
_BYTES = {0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1)}
_BYTES |= {0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0)}
_CONTAINERS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def pack(value: Any) -> bytes:
    """Return `value` (maps, lists, str, bytes, numbers, bool, None) as msgpack."""
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def unpack(buffer: bytes | memoryview, limits: Limits) -> dict[str, Any]:
    """Return the header map that `buffer` holds.

    Raises:
        WireError: `malformed` if it is not one msgpack map with text keys, `too_large` if it is over a limit.
    """
    size = len(buffer)
    if size == 0:
        raise WireError("malformed", "The header is empty.")
    if size > limits.frame_bytes:
        raise WireError("too_large", f"The header has {size} bytes; the limit is {limits.frame_bytes}.")
    if size > _SCAN_FROM:
        _scan(buffer, limits)
    try:
        value = msgpack.unpackb(
            buffer,
            raw=False,
            strict_map_key=True,
            max_str_len=size,
            max_bin_len=size,
            max_array_len=min(size, limits.header_objects),
            max_map_len=min(size, limits.header_objects),
            max_ext_len=0,
        )
    except (ValueError, msgpack.UnpackException) as error:
        raise WireError("malformed", f"The header is not valid msgpack: {_reason(error)}.") from None
    if not isinstance(value, dict):
        raise WireError("malformed", "The header is not a map.")
    if not all(isinstance(key, str) for key in value):
        raise WireError("malformed", "The header has a key that is not text.")
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "text that is not UTF-8"
    if isinstance(error, msgpack.StackError):
        return "too deeply nested"
    if isinstance(error, msgpack.ExtraData):
        return "bytes follow the map"
    if isinstance(error, msgpack.FormatError):
        return "an unknown type byte"
    text = str(error)
    if "incomplete" in text:
        return "it is cut short"
    if "exceeds max_ext_len" in text:
        return "extension types are not used here"
    if "exceeds" in text or "strict_map_key" in text or "not allowed for map key" in text:
        return "a length beyond the message, or a key that is not text"
    return "unreadable"


def _scan(buffer: bytes | memoryview, limits: Limits) -> None:
    """Count through a large header without building anything.

    A megabyte of one-byte empty lists would unpack to sixty megabytes of objects; this finds out at no cost in memory.
    """
    view = memoryview(buffer)
    size, position, objects = len(view), 0, 0
    open_counts = [1]  # values still to come at each depth
    payload = 0
    while open_counts:
        if open_counts[-1] == 0:
            open_counts.pop()
            continue
        open_counts[-1] -= 1
        objects += 1
        if objects > limits.header_objects:
            raise WireError("too_large", f"The header holds more than {limits.header_objects} values.")
        if position >= size:
            raise WireError("malformed", "The header is not valid msgpack: it is cut short.")
        kind = view[position]
        position += 1
        length, values = 0, 0
        if kind <= 0x7F or kind >= 0xE0:
            pass
        elif kind <= 0x8F:
            values = 2 * (kind & 0x0F)
        elif kind <= 0x9F:
            values = kind & 0x0F
        elif kind <= 0xBF:
            length = kind & 0x1F
        elif kind in _FIXED:
            length = _FIXED[kind]
        elif kind in _BYTES:
            width, extra = _BYTES[kind]
            length = int.from_bytes(view[position : position + width], "big") + extra
            position += width
            payload += length
        elif kind in _CONTAINERS:
            width, factor = _CONTAINERS[kind]
            values = factor * int.from_bytes(view[position : position + width], "big")
            position += width
        else:
            raise WireError("malformed", "The header is not valid msgpack: an unknown type byte.")
        position += length
        if position > size:
            raise WireError("malformed", "The header is not valid msgpack: it is cut short.")
        if values:
            open_counts.append(values)
            if len(open_counts) > limits.header_depth + 1:
                raise WireError("too_large", f"The header is nested more than {limits.header_depth} deep.")
    if size - payload > limits.control_bytes + 16 * limits.header_objects:
        raise WireError("too_large", "The header is too large besides the data that stands in it.")
