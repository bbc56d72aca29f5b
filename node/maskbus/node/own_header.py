"""Headers of answers that the node's own workers have written: they are changed without being read as a peer's are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maskbus.worker.channel import Frame, unpack
from maskbus_wire import header


def opened(frame: Frame) -> dict[str, Any]:
    """Return a header as a plain map.

    There may be thousands of masks in it, and requests wait meanwhile: it is not looked through for what a peer could
    have put there.

    Raises:
        ValueError: if it is none.
    """
    plain = unpack(frame)
    if not isinstance(plain, dict):
        raise ValueError("The header is no map.")
    return plain


def changed(plain: Mapping[str, Any], changes: Mapping[str, Any]) -> bytes:
    """Return the frame of a header with some fields changed; None leaves one out."""
    return header.pack({name: value for name, value in {**plain, **changes}.items() if value is not None})
