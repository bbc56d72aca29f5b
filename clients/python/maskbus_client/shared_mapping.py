"""A file of shared memory that the node made for this client, looked at before it is mapped (SPEC.md, section 17)."""

from __future__ import annotations

import mmap
import os
import stat
import sys
import weakref

import numpy as np
from numpy.typing import NDArray

from maskbus_client.errors import NoSharedMemory, ProtocolError
from maskbus_wire import replies, shared_lock
from maskbus_wire.shared_layout import ENTRY_BYTES, HEADER_BYTES, Entry, Header, LayoutError, entry_offset, round_slot

_FLAGS = (
    os.O_RDWR
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe of this name must not hold us up
    | getattr(os, "O_BINARY", 0)
)
_DESCRIBED = slice(16, 56)
"""What of an entry says what is in the slot: all but generation, state and owner."""


class Mapping:
    """Hold a file mapped, and its lock, until nobody looks at its bytes any more.

    It ends with its last reference: arrays that lie in it refer to it as well.
    """

    def __init__(self, leased: replies.Leased, slots: int, slot_bytes: int) -> None:
        """Map the file of a lease.

        Args:
            leased: What the node says of it.
            slots: How many slots were asked for.
            slot_bytes: How many bytes of each.

        Raises:
            NoSharedMemory: if the file cannot be opened from here.
            ProtocolError: if it is not what the node says it is.
        """
        self.inherited = False
        """Whether this process is a fork of the one that mapped the file: the slots are not its own."""
        if sys.byteorder != "little":
            raise NoSharedMemory("Shared memory is little endian; this machine is not.")
        try:
            self._lock = _Lock(leased.path)
            self.header, memory = _map(self._lock, leased, (slots, round_slot(slot_bytes)))
        except OSError as error:
            raise NoSharedMemory(f"The node's shared memory cannot be opened here: {error}.") from None
        self._memory = memory
        # Whole words: each is written at once, for whoever reads at the same time.
        self._words = memoryview(memory)[: self.header.data_offset].cast("Q")
        self._table = memoryview(memory)[: self.header.data_offset]
        # Arrays outlive this object, and hold the file mapped: the lock goes with the last of them.
        weakref.finalize(memory, self._lock.release).atexit = False
        _LIVE.add(self)

    def generation(self, index: int) -> int:
        """Return a slot's generation, odd while somebody writes."""
        return self._words[entry_offset(index) >> 3]

    def set_generation(self, index: int, generation: int) -> None:
        """Write a slot's generation."""
        self._words[entry_offset(index) >> 3] = generation

    def state(self, index: int) -> int:
        """Return a slot's state."""
        return self._words[(entry_offset(index) >> 3) + 1] & 0xFFFFFFFF

    def set_state(self, index: int, state: int, owner: int) -> None:
        """Write a slot's state and owner."""
        self._words[(entry_offset(index) >> 3) + 1] = state | owner << 32

    def entry(self, index: int) -> Entry:
        """Return what the table says of a slot."""
        start = entry_offset(index)
        return Entry.unpack(self._table[start : start + ENTRY_BYTES])

    def describe(self, index: int, entry: Entry) -> None:
        """Write what is in a slot, and leave its generation, state and owner as they are."""
        start = entry_offset(index)
        self._table[start + _DESCRIBED.start : start + _DESCRIBED.stop] = entry.pack()[_DESCRIBED]

    def data(self, index: int, nbytes: int) -> NDArray[np.uint8]:
        """Return the first bytes of a slot as uint8 (nbytes,), writable, where they lie."""
        return np.frombuffer(self._memory, np.uint8, nbytes, self.header.offset(index))

    def disown(self) -> None:
        """Leave the slots and the lock to the process that this one was forked from."""
        self.inherited = True
        self._lock.release()  # of the two descriptors only this one: the other process still has it


class _Lock:
    """Hold the lock of a file with a descriptor of its own.

    A mapping keeps a descriptor, too, which no forked child could close: it must not be this one, or a child that lives
    on would keep the lock of a parent that died.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.descriptor = _open(path)
        try:
            shared_lock.hold(self.descriptor)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _map(lock: _Lock, leased: replies.Leased, asked: tuple[int, int]) -> tuple[Header, mmap.mmap]:
    descriptor = -1
    try:
        descriptor = _open(lock.path)
        found = os.fstat(descriptor)
        if not os.path.samestat(found, os.fstat(lock.descriptor)):
            raise ProtocolError("The node's shared memory was exchanged while it was opened.")
        try:
            header = Header.unpack(os.read(descriptor, HEADER_BYTES), found.st_size)
        except LayoutError as error:
            raise ProtocolError(f"The node's shared memory is none: {error}") from None
        if (header.generation, header.file_bytes) != (leased.generation, leased.bytes):
            raise ProtocolError("The node's shared memory is another than the one it leased.")
        if (header.slots, header.slot_bytes) != asked:
            raise ProtocolError("The node's shared memory has other slots than those that were asked for.")
        return header, mmap.mmap(descriptor, header.file_bytes)
    except BaseException:
        lock.release()
        raise
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _open(path: str) -> int:
    """Open a file that the node named, if it is one that may be written to in good faith."""
    if not os.path.isabs(path):
        raise ProtocolError("The node's shared memory has no absolute path.")
    _check(os.lstat(path))  # opening would follow a link where there is no O_NOFOLLOW
    descriptor = os.open(path, _FLAGS)
    try:
        _check(os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ProtocolError("The node's shared memory is no regular file.")
    if hasattr(os, "getuid") and found.st_uid != os.getuid():
        raise ProtocolError("The node's shared memory belongs to another user.")


_LIVE: weakref.WeakSet[Mapping] = weakref.WeakSet()


def _disown_all() -> None:
    for mapping in list(_LIVE):
        mapping.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)
