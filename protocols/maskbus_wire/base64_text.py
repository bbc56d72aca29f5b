"""Bytes as Base64 text, plain or as a data URL, for clients that speak JSON or paste a picture from a browser.

Only the standard alphabet (RFC 4648, section 4) with its padding is read; spaces, tabs and line ends may stand anywhere
in the Base64 part. A data URL is `data:[media type];base64,` and the text (RFC 2397).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

_decode: Callable[..., bytes]
try:
    import pybase64  # thirty times as fast; the node has it, as its loop may not be held up

    _decode = pybase64.b64decode
except ImportError:
    _decode = base64.b64decode

_WHITESPACE = str.maketrans("", "", " \t\r\n")
# The longest announcement of a data URL that is looked at, `data:` and `;base64,` included.
_MAX_PREFIX = 256


def decode(text: str, *, max_bytes: int) -> bytes:
    """Return the bytes that `text` stands for.

    ValueError if it is not Base64, is a data URL without `;base64`, or holds more than `max_bytes` bytes; the length is
    looked at before anything is decoded. As much white space as an eighth of the text is allowed for (a line end every
    64 characters takes a thirty-second).
    """
    allowed = (max_bytes + 2) // 3 * 4
    if len(text) > allowed + allowed // 8 + _MAX_PREFIX:
        raise ValueError(f"a Base64 text of {len(text)} characters holds more than the {max_bytes} bytes allowed")
    body = _without_prefix(text)
    if any(space in body for space in " \t\r\n"):
        body = body.translate(_WHITESPACE)
    padding = 2 if body.endswith("==") else int(body.endswith("="))
    size = len(body) // 4 * 3 - padding
    if size > max_bytes:
        raise ValueError(f"a Base64 text of {size} bytes is longer than the {max_bytes} bytes allowed")
    if padding != (len(body) - body.find("=") if "=" in body else 0):
        # Some versions of the decoder let more padding pass than the one or two that end a text.
        raise ValueError("the Base64 text has padding where none belongs")
    if len(body) % 4:
        raise ValueError("the Base64 text stops in the middle of a group of four characters")
    try:
        return _decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the text is not Base64 in the standard alphabet") from None


def encode(data: bytes | bytearray | memoryview, media_type: str | None = None) -> str:
    """Return `data` as plain Base64, or as a data URL of `media_type` (such as `image/png`) if one is given."""
    text = base64.b64encode(data).decode("ascii")
    return text if media_type is None else f"data:{media_type};base64,{text}"


def _without_prefix(text: str) -> str:
    start = text[:_MAX_PREFIX].lstrip(" \t\r\n")
    if start[:5].lower() != "data:":
        return text
    announcement, comma, _ = start.partition(",")
    if not comma:
        raise ValueError("the data URL has no comma in its first characters")
    if not announcement.lower().endswith(";base64"):
        raise ValueError("the data URL is not Base64: `;base64` must stand before its comma")
    return text[text.index(",") + 1 :]
