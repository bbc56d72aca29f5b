"""Shared memory that pixels are put into once, for the workers to look at."""

from __future__ import annotations

import mmap
import os
import secrets
from pathlib import Path

from maskbus import removal

PAGE = mmap.PAGESIZE


class ArenaFull(Exception):
    """Say that the shared memory is used up."""


class Slot:
    """One mapped file. Whoever keeps it calls `retain`; the last `release` hands it back to the arena."""

    def __init__(self, arena: Arena, path: Path, size: int) -> None:
        self._arena = arena
        self._users = 0
        self.path = path
        self.size = size
        self.used = 0
        """Bytes of the last lease."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError as error:
            raise ArenaFull(f"The system has no room for another piece of shared memory: {error.strerror}.") from error
        try:
            try:
                reserve(descriptor, size)
                self._map = mmap.mmap(descriptor, size)
            finally:
                os.close(descriptor)
        except OSError as error:
            removal.remove(path)
            raise ArenaFull(f"The system has no {size} bytes of shared memory left.") from error
        self._view = memoryview(self._map)

    @property
    def name(self) -> str:
        """File name; a worker finds the slot by it in the directory it was told."""
        return self.path.name

    @property
    def view(self) -> memoryview:
        """The bytes of the last lease, to be written."""
        return self._view[: self.used]

    def write(self, *parts: bytes | memoryview) -> None:
        """Copy `parts` into the slot, one after the other. This is the one copy between the socket and the model."""
        position = 0
        for part in parts:
            end = position + len(part)
            self._view[position:end] = part
            position = end

    def retain(self) -> Slot:
        """Count one more user and return the slot."""
        self._users += 1
        return self

    def release(self) -> None:
        """Count one user less; the last one hands the slot back."""
        self._users -= 1
        if self._users == 0:
            self._arena._take_back(self)

    def close(self) -> None:
        """Unmap and remove the file."""
        self._view.release()
        self._map.close()
        removal.remove(self.path)


class Arena:
    """Lease slots of shared memory, reuse them while they are warm, and never hold more than `capacity` bytes.

    The space of a slot is reserved before it is mapped, so that a full file system is an error here and not a SIGBUS in
    whoever touches the page.
    """

    def __init__(self, directory: Path, capacity: int) -> None:
        self._directory = directory
        self._capacity = capacity
        self._free: dict[int, list[Slot]] = {}
        self._leased: set[Slot] = set()
        self.reserved = 0
        """Bytes of all slots, leased or free."""

    @property
    def used(self) -> int:
        """Bytes of the slots that are leased now."""
        return sum(slot.size for slot in self._leased)

    def can_hold(self, nbytes: int) -> bool:
        """Tell whether `nbytes` would fit if nothing else were there."""
        return _size_class(nbytes) <= self._capacity

    def lease(self, nbytes: int) -> Slot:
        """Return a slot for `nbytes`, held once by the caller.

        Raises:
            ArenaFull: if the capacity, or the system's memory, does not allow it.
        """
        size = _size_class(nbytes)
        free = self._free.get(size)
        slot = free.pop() if free else self._make(size)
        slot.used = nbytes
        self._leased.add(slot)
        return slot.retain()

    def close(self) -> None:
        """Remove every slot, leased or not."""
        for slot in [*self._leased, *(slot for slots in self._free.values() for slot in slots)]:
            slot.close()
        self._leased.clear()
        self._free.clear()
        self.reserved = 0

    def _make(self, size: int) -> Slot:
        if size > self._capacity:
            raise ArenaFull(f"{size} bytes are more than the node's shared memory of {self._capacity}.")
        self._shed(self.reserved + size - self._capacity)
        if self.reserved + size > self._capacity:
            raise ArenaFull(f"The node's shared memory of {self._capacity} bytes is in use.")
        try:
            slot = Slot(self, self._directory / secrets.token_hex(12), size)
        except ArenaFull:
            if not self._shed(self.reserved):
                raise
            slot = Slot(self, self._directory / secrets.token_hex(12), size)
        self.reserved += size
        return slot

    def _shed(self, nbytes: int) -> int:
        """Remove free slots until `nbytes` are saved or none is left; return what was saved."""
        saved = 0
        for size in sorted(self._free, reverse=True):
            slots = self._free[size]
            while slots and saved < nbytes:
                slots.pop(0).close()
                self.reserved -= size
                saved += size
            if not slots:
                del self._free[size]
        return saved

    def _take_back(self, slot: Slot) -> None:
        if slot in self._leased:  # else the arena has been closed
            self._leased.discard(slot)
            self._free.setdefault(slot.size, []).append(slot)


def _size_class(nbytes: int) -> int:
    """Round up to whole pages, in eight steps a doubling: at most an eighth is wasted, and slots are reusable."""
    size = max(nbytes, 16 * PAGE)
    step = max(PAGE, 1 << (size.bit_length() - 4))
    return -(-size // step) * step


def reserve(descriptor: int, size: int) -> None:
    """Make a file `size` bytes long, with the space for all of them taken. OSError where there is none."""
    os.ftruncate(descriptor, size)
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:  # macOS, Windows: writing is the only promise
        block = bytes(1 << 20)
        for start in range(0, size, len(block)):
            os.write(descriptor, block[: min(len(block), size - start)])
