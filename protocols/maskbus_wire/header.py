"""Header bytes to plain values and back: msgpack, with every cap checked before memory is taken."""

from __future__ import annotations

from typing import Any

import msgpack

from maskbus_wire.errors import WireError
from maskbus_wire.limits import Limits

# What follows a type byte. Fixed: so many bytes. Sized: a length field of so many bytes, then that many bytes.
# Containers: a length field of so many bytes, then so many values a unit.
_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_FIXED |= {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_CONTAINERS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
_SMALL_CONTAINERS = bytes(range(0x80, 0xA0))
_RARE = bytes([0xC1, *range(0xC4, 0xCA), *range(0xD4, 0xD9), *range(0xDC, 0xE0)])
_SMALL = 1024
_MAPS = frozenset({*range(0x80, 0x90), 0xDE, 0xDF})
_TEXTS = frozenset({*range(0xA0, 0xC0), 0xD9, 0xDA, 0xDB})


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
    view = memoryview(buffer)
    plain = _is_plain(view, limits)
    if not plain:
        _scan(view, limits)
    try:
        value = msgpack.unpackb(
            view,
            raw=False,
            strict_map_key=True,
            max_str_len=size,
            max_bin_len=size,
            max_array_len=size,
            max_map_len=size,
            max_ext_len=0,
        )
    except UnicodeDecodeError:
        raise _invalid("text that is not UTF-8") from None
    except (ValueError, msgpack.UnpackException):
        if plain:
            _scan(view, limits)  # which says what is wrong with it
        raise _invalid("unreadable") from None
    if not isinstance(value, dict):
        raise WireError("malformed", "The header is not a map.")
    return value


def _invalid(reason: str) -> WireError:
    return WireError("malformed", f"The header is not valid msgpack: {reason}.")


def _is_plain(view: memoryview, limits: Limits) -> bool:
    """Tell at a glance that a header cannot hold what `_scan` looks for; most small ones are of that kind.

    Where none of `_RARE` occurs, not even within text or numbers, there are no extension types, no binary keys, and no
    container of more than fifteen entries; and there are at most as many containers as bytes that could begin one.
    """
    if view.nbytes > _SMALL:
        return False
    data = bytes(view)
    return len(data.translate(None, _RARE)) == len(data) and (
        len(data) - len(data.translate(None, _SMALL_CONTAINERS)) <= limits.header_depth
    )


def _scan(view: memoryview, limits: Limits) -> None:
    """Walk through a header without building anything, and see to all that an unpacker would find out too late.

    An unpacker makes room for as many elements as an array announces, at each depth anew, and a one-byte empty list
    becomes an object of 56 bytes: sixty kilobytes could cost hundreds of megabytes.
    """
    size, position = len(view), 0
    announced, seen = 1, 0
    left, keyed = 1, False  # values still to come in the innermost container; whether every other one is a key
    outer: list[tuple[int, bool]] = []
    while True:
        while left == 0:
            if not outer:
                if position < size:
                    raise _invalid("bytes follow the map")
                return
            left, keyed = outer.pop()
        if position >= size:
            raise _invalid("it is cut short")
        kind = view[position]
        position += 1
        if keyed and left % 2 == 0 and kind not in _TEXTS:
            raise WireError("malformed", "The header has a key that is not text.")
        left -= 1
        seen += 1
        values = -1
        if kind <= 0x7F or kind >= 0xE0:
            continue
        if kind <= 0x9F:
            values = (kind & 0x0F) * (2 if kind in _MAPS else 1)
        elif kind <= 0xBF:
            position += kind & 0x1F
        elif kind in _FIXED:
            position += _FIXED[kind]
        elif kind in _SIZED:
            width = _SIZED[kind]
            position += width + int.from_bytes(view[position : position + width], "big")
        elif kind in _CONTAINERS:
            width, factor = _CONTAINERS[kind]
            values = factor * int.from_bytes(view[position : position + width], "big")
            position += width
        else:
            raise _invalid("an unknown type byte" if kind == 0xC1 else "extension types are not used here")
        if position > size:
            raise _invalid("it is cut short")
        if values < 0:
            continue
        announced += values
        if announced - seen > size - position:  # each value takes a byte at least
            raise _invalid("it is cut short")
        if announced > limits.header_objects:
            raise WireError("too_large", f"The header holds more than {limits.header_objects} values.")
        outer.append((left, keyed))
        left, keyed = values, kind in _MAPS
        if len(outer) > limits.header_depth:
            raise WireError("too_large", f"The header is nested more than {limits.header_depth} deep.")
