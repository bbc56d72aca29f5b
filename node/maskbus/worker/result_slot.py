"""The slot of shared memory that a requester wants its masks in."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from maskbus_wire.prompts import Slot

_ALIGNMENT = 64


class ResultSlot:
    """Put bytes one after the other into a slot, until it is full."""

    def __init__(self, view: memoryview, slot: Mapping[str, Any]) -> None:
        """Begin an empty slot.

        Args:
            view: The slot's memory, writable.
            slot: How the reply calls it.
        """
        self._view = view
        self.slot = Slot(**slot)
        self.used = 0
        """Bytes up to the end of the last part."""

    def put(self, part: bytes | memoryview) -> tuple[int, int] | None:
        """Copy bytes into the slot; return their offset and length, or None if they do not fit."""
        start = -(-self.used // _ALIGNMENT) * _ALIGNMENT
        end = start + len(part)
        if end > len(self._view):
            return None
        self._view[start:end] = part
        self.used = end
        return start, len(part)

    def checksum(self) -> int:
        """Return the CRC-32 of what has been used."""
        return zlib.crc32(self._view[: self.used])
