"""The messages of imagezmq: JSON with a text, and a picture, raw or as JPEG."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from maskbus.adapters.sources.source import Captured
from maskbus.adapters.sources.zmq_source import BadMessage
from maskbus_wire import compressed_image
from maskbus_wire.limits import DEFAULT_LIMITS

PARTS = 2
_HEADER_BYTES = 64 * 1024
_MOST_NAME = 120


def read(parts: Sequence[bytes], stamp: int) -> Captured:
    """Return the frame in a message; its camera is the message's text.

    A header {"msg", "dtype", "shape"} goes before the bytes of an array, {"msg"} before a JPEG file. Arrays are
    OpenCV's: uint8, grey, BGR or BGRA.

    Args:
        parts: The message's.
        stamp: When it came.

    Raises:
        BadMessage: if it is none.
    """
    if len(parts) != PARTS:
        raise BadMessage(f"a message has {PARTS} parts, header and picture, not {len(parts)}")
    header, data = _header(parts[0]), parts[1]
    text = header.get("msg")
    if not isinstance(text, (str, int, float)):
        raise BadMessage("the header has no text named msg")
    camera = str(text)[:_MOST_NAME]
    if "dtype" not in header and "shape" not in header:
        try:
            _, width, height = compressed_image.probe(data)
        except ValueError:
            raise BadMessage("the picture is neither an array nor a JPEG file") from None
        _check_size(height, width)
        return Captured(data, stamp=stamp, camera=camera)
    if header.get("dtype") != "uint8":
        raise BadMessage(f"a picture is uint8, not {str(header.get('dtype'))[:40]}")
    shape = _shape(header.get("shape"))
    if len(data) != int(np.prod(shape, dtype=np.int64)):
        raise BadMessage(f"a picture of the shape {shape} does not have {len(data)} bytes")
    return Captured(np.frombuffer(data, np.uint8).reshape(shape), stamp=stamp, camera=camera)


def _header(part: bytes) -> dict[str, Any]:
    if len(part) > _HEADER_BYTES:
        raise BadMessage(f"a header of {len(part)} bytes is none")
    try:
        header = json.loads(part)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise BadMessage("the header is no JSON object")
    return header


def _shape(value: Any) -> tuple[int, ...]:
    if not (
        isinstance(value, list)
        and len(value) in (2, 3)
        and all(type(side) is int and side > 0 for side in value)
        and (len(value) == 2 or value[2] in (1, 3, 4))
    ):
        raise BadMessage(f"a picture's shape is (height, width) with or without 1, 3 or 4 channels, not {value!r:.60}")
    _check_size(value[0], value[1])
    return tuple(value)


def _check_size(height: int, width: int) -> None:
    if max(height, width) > DEFAULT_LIMITS.side or height * width > DEFAULT_LIMITS.pixels:
        raise BadMessage(f"a picture of {width} × {height} pixels is too large")
