"""The layout of a file of shared memory, to the byte (SPEC.md, section 17). No file and no mapping here.

One header, one table of slots, then the slots. Everything is little endian and naturally aligned.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

MAGIC: Final = b"MASKBUS\0"
BYTE_ORDER: Final = 0x01020304
MAJOR: Final = 1
MINOR: Final = 0

HEADER_BYTES: Final = 128
ENTRY_BYTES: Final = 128
STATE_OFFSET: Final = 8
"""Where in an entry state and owner stand, one after the other."""
ALIGNMENT: Final = 4096
"""Slots begin at multiples of this, which is a page nearly everywhere."""
MOST_SLOTS: Final = 64

FREE: Final = 0
"""Nothing is in the slot. The client may write to it, or offer it for an answer."""
WRITING: Final = 1
"""The client is writing."""
WRITTEN: Final = 2
"""What the client wrote is whole."""
READING: Final = 3
"""The node reads what the client wrote. Not even the client may write."""
ANSWERING: Final = 4
"""The node writes an answer. The client may not look."""
ANSWERED: Final = 5
"""The answer is whole, and the client's until it sets the slot free."""

NOBODY: Final = 0
CLIENT: Final = 1
NODE: Final = 2

HAS_CHECKSUM: Final = 1
"""Flag: `checksum` is the CRC-32 of the first `length` bytes."""

ENCODINGS: Final[dict[str, int]] = {
    "mono8": 1,
    "rgb8": 2,
    "bgr8": 3,
    "rgba8": 4,
    "bgra8": 5,
    "jpeg": 16,
    "png": 17,
    "webp": 18,
    "masks": 64,
    "message": 65,
}
"""What is in a slot → its number: an image as in section 8, the bytes of an answer's masks, or a whole message."""
ENCODING_NAMES: Final[dict[int, str]] = {number: name for name, number in ENCODINGS.items()}

_HEADER = struct.Struct("<8sIHHQIIQQQ8x16s48x")
_ENTRY = struct.Struct("<QIIQIIIIIIq72x")
_GENERATION = struct.Struct("<Q")
assert _HEADER.size == HEADER_BYTES
assert _ENTRY.size == ENTRY_BYTES


class LayoutError(ValueError):
    """Say what about a file is not as the layout has it."""


@dataclass(frozen=True)
class Header:
    """The first 128 bytes of the file. They never change while it lives."""

    generation: int
    """Of the file: a random number below 2^63 that the lease's reply names as well."""
    slots: int
    slot_bytes: int
    """Bytes of one slot, a multiple of 4096."""
    token: bytes = bytes(16)
    """Secret that proves to the other side that one can read the file; all zero where none is needed."""

    @property
    def data_offset(self) -> int:
        """Where the first slot begins."""
        return _up(HEADER_BYTES + ENTRY_BYTES * self.slots)

    @property
    def file_bytes(self) -> int:
        """Bytes of the whole file."""
        return self.data_offset + self.slots * self.slot_bytes

    def offset(self, index: int) -> int:
        """Return where slot `index` begins."""
        return self.data_offset + index * self.slot_bytes

    def pack(self) -> bytes:
        """Return the header's bytes."""
        return _HEADER.pack(
            MAGIC,
            BYTE_ORDER,
            MAJOR,
            MINOR,
            self.generation,
            self.slots,
            ENTRY_BYTES,
            self.slot_bytes,
            self.data_offset,
            self.file_bytes,
            self.token,
        )

    @classmethod
    def unpack(cls, data: bytes | memoryview, file_bytes: int) -> Header:
        """Read a header.

        Args:
            data: The first 128 bytes of the file.
            file_bytes: How long the file really is.

        Raises:
            LayoutError: if it is of another kind, version or size than it says or than is understood here.
        """
        if len(data) < HEADER_BYTES:
            raise LayoutError(f"The file has {len(data)} bytes, which is not even a header.")
        fields = _HEADER.unpack(data[:HEADER_BYTES])
        magic, order, major, _, generation, slots, entry, slot_bytes, start, size, token = fields
        if magic != MAGIC or order != BYTE_ORDER:
            raise LayoutError("The file is no shared memory of maskbus.")
        if major != MAJOR:
            raise LayoutError(f"The layout's version {major} is not understood here; {MAJOR} is.")
        header = cls(generation, slots, slot_bytes, token)
        if not 1 <= slots <= MOST_SLOTS or entry != ENTRY_BYTES or slot_bytes % ALIGNMENT or not slot_bytes:
            raise LayoutError("The file's table of slots is impossible.")
        if (start, size) != (header.data_offset, header.file_bytes) or file_bytes < size:
            raise LayoutError(f"The file has {file_bytes} bytes; its slots take {header.file_bytes}.")
        return header


@dataclass(frozen=True)
class Entry:
    """What the table says of one slot."""

    generation: int = 0
    """Odd while somebody writes; two more each time something else is whole."""
    state: int = FREE
    owner: int = NOBODY
    length: int = 0
    """Bytes of the slot that are used."""
    width: int = 0
    height: int = 0
    step: int = 0
    """Bytes from one row to the next; 0: rows are packed, or the encoding has none."""
    encoding: int = 0
    flags: int = 0
    checksum: int = 0
    stamp: int = 0
    """Nanoseconds since the epoch; 0 where nobody said."""

    def pack(self) -> bytes:
        """Return the entry's bytes."""
        return _ENTRY.pack(
            self.generation,
            self.state,
            self.owner,
            self.length,
            self.width,
            self.height,
            self.step,
            self.encoding,
            self.flags,
            self.checksum,
            self.stamp,
        )

    @classmethod
    def unpack(cls, data: bytes | memoryview) -> Entry:
        """Read an entry of 128 bytes; any bytes are one."""
        return cls(*_ENTRY.unpack(data[:ENTRY_BYTES]))


def entry_offset(index: int) -> int:
    """Return where the table says what is in slot `index`."""
    return HEADER_BYTES + ENTRY_BYTES * index


def round_slot(nbytes: int) -> int:
    """Return the bytes that a slot for `nbytes` takes."""
    return _up(max(nbytes, 1))


def _up(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT
