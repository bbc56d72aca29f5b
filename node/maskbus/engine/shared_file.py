"""One file of shared memory that the node made for a client, read and written as a file (SPEC.md, section 17).

The node never maps what a client may cut short: a page that is no longer there would end it. A read that comes back
short is an error like any other.
"""

from __future__ import annotations

import os
import secrets
import struct
import sys
from pathlib import Path

from maskbus import removal
from maskbus.engine.arena import reserve
from maskbus_wire import shared_lock
from maskbus_wire.shared_layout import ENTRY_BYTES, STATE_OFFSET, Entry, Header, entry_offset

_BINARY = getattr(os, "O_BINARY", 0)


class FileCut(Exception):
    """Say that the file is shorter than it was made."""


class SharedFile:
    """Own the file: make it, look at its table, remove it."""

    def __init__(self, directory: Path, slots: int, slot_bytes: int, *, with_token: bool = False) -> None:
        """Make a file of `slots` slots with its space reserved.

        Args:
            directory: A private directory; the name in it is random.
            slots: How many slots.
            slot_bytes: Bytes of each, a multiple of 4096.
            with_token: Whether the header has a secret, for a bell.

        Raises:
            OSError: if the system has no room for it. Nothing is left behind then.
        """
        token = secrets.token_bytes(16) if with_token else bytes(16)
        self.header = Header(secrets.randbits(63), slots, slot_bytes, token)
        self.path = directory / secrets.token_hex(12)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | _BINARY
        self._descriptor = os.open(self.path, flags, 0o600)
        try:
            reserve(self._descriptor, self.header.file_bytes)
            self._write(0, self.header.pack())
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """File name; a worker finds the file by it in the directory it was told."""
        return self.path.name

    @property
    def is_open(self) -> bool:
        """Whether the file has not been closed."""
        return self._descriptor >= 0

    def is_whole(self) -> bool:
        """Tell whether the file still has the length it was made with."""
        return os.fstat(self._descriptor).st_size >= self.header.file_bytes

    def is_held(self) -> bool:
        """Tell whether a client lives that has the file mapped."""
        return shared_lock.is_held(self._descriptor)

    def entry(self, index: int) -> Entry:
        """Read what the table says of a slot. FileCut if the file has been cut short."""
        return Entry.unpack(self._read(entry_offset(index), ENTRY_BYTES))

    def write_entry(self, index: int, entry: Entry) -> None:
        """Write what the table says of a slot."""
        self._write(entry_offset(index), entry.pack())

    def write_state(self, index: int, state: int, owner: int) -> None:
        """Write a slot's state and owner, and leave the rest of its entry as it is."""
        self._write(entry_offset(index) + STATE_OFFSET, struct.pack("<II", state, owner))

    def read_into(self, target: memoryview, index: int) -> None:
        """Copy the first bytes of a slot into `target`, as many as it has. FileCut if the file has been cut short."""
        start = self.header.offset(index)
        if hasattr(os, "preadv"):
            done = 0
            while done < len(target):
                count = os.preadv(self._descriptor, [target[done:]], start + done)
                if count == 0:
                    raise FileCut
                done += count
        else:
            target[:] = self._read(start, len(target))

    def write(self, index: int, position: int, data: bytes | memoryview) -> None:
        """Write bytes into a slot."""
        self._write(self.header.offset(index) + position, data)

    def close(self) -> None:
        """Let go of the file and remove it. Safe to call again."""
        if self._descriptor < 0:
            return
        os.close(self._descriptor)
        self._descriptor = -1
        removal.remove(self.path)

    def _read(self, offset: int, count: int) -> bytes:
        data = _pread(self._descriptor, count, offset)
        if len(data) != count:
            raise FileCut
        return data

    def _write(self, offset: int, data: bytes | memoryview) -> None:
        rest = memoryview(data).cast("B")
        while rest:
            done = _pwrite(self._descriptor, rest, offset)
            rest, offset = rest[done:], offset + done


if sys.platform != "win32":

    def _pread(descriptor: int, count: int, offset: int) -> bytes:
        return os.pread(descriptor, count, offset)

    def _pwrite(descriptor: int, data: bytes | memoryview, offset: int) -> int:
        return os.pwrite(descriptor, data, offset)
else:  # one thread at a time uses a file

    def _pread(descriptor: int, count: int, offset: int) -> bytes:
        os.lseek(descriptor, offset, os.SEEK_SET)
        parts = bytearray()
        while len(parts) < count and (part := os.read(descriptor, count - len(parts))):
            parts += part
        return bytes(parts)

    def _pwrite(descriptor: int, data: bytes | memoryview, offset: int) -> int:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.write(descriptor, data)
