"""Shared memory that clients hold: who has which file, what may be read and written in it now, and when it ends."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from maskbus.engine.shared_file import FileCut, SharedFile
from maskbus_wire import raw_image, shared_layout
from maskbus_wire.errors import WireError
from maskbus_wire.image_checks import COMPRESSED
from maskbus_wire.shared_layout import Entry, Header

log = logging.getLogger(__name__)

_LOOK = 0.5
"""Seconds between two looks whether the clients live."""
_UNTOUCHED = 10.0
"""Seconds after which a lease that nobody has ever held is taken back."""
_IMAGES = {*raw_image.CHANNELS, *COMPRESSED}


class Lease:
    """One client's file. Slots are the client's but for the time that a request needs them."""

    def __init__(self, name: str, file: SharedFile, route: Any, now: float) -> None:
        self.name = name
        self.file = file
        self.route = route
        self._granted = now
        self._was_held = False
        self._readers = [0] * file.header.slots
        self._answering: set[int] = set()
        self._users = 0
        self._ended = False

    @property
    def nbytes(self) -> int:
        """Size of the file."""
        return self.file.header.file_bytes

    def image(self, index: int, generation: int) -> tuple[Entry, str]:
        """Return the entry of a slot that an image was written to, and the image's encoding.

        Raises:
            WireError: with a path below `image.slot`, if there is none, or not this one.
        """
        entry = self._entry(index, "image.slot")
        if entry.generation != generation or generation % 2:
            raise WireError("invalid_value", f"The slot is at generation {entry.generation}.", "image.slot.generation")
        if entry.state not in (shared_layout.WRITTEN, shared_layout.READING):
            raise WireError("invalid_value", "Nothing whole has been written to the slot.", "image.slot")
        if (entry.state == shared_layout.READING) != bool(self._readers[index]) or index in self._answering:
            raise WireError("invalid_value", "The slot's state is not the client's to choose.", "image.slot")
        encoding = shared_layout.ENCODING_NAMES.get(entry.encoding, "")
        if encoding not in _IMAGES:
            raise WireError("invalid_image", f"{entry.encoding} is no image's encoding.", "image.slot")
        if not 0 < entry.length <= self.file.header.slot_bytes:
            raise WireError("invalid_image", f"{entry.length} bytes are not in the slot.", "image.slot")
        if not self.file.is_whole():
            raise WireError("invalid_image", "The file has been cut short.", "image.slot")
        return entry, encoding

    def read(self, index: int) -> Callable[[], None]:
        """Have a slot read by one more request; return what is to be called when it is over."""
        self._users += 1
        self._readers[index] += 1
        if self._readers[index] == 1:
            self._set(index, shared_layout.READING, shared_layout.NODE)

        def over() -> None:
            self._readers[index] -= 1
            if not self._readers[index]:
                self._set(index, shared_layout.WRITTEN, shared_layout.CLIENT)
            self._release()

        return over

    def copy(self, index: int, entry: Entry, target: memoryview) -> None:
        """Copy an image out of its slot.

        Raises:
            WireError: `invalid_image` if it was written to in the meantime.
        """
        try:
            self.file.read_into(target, index)
            now = self.file.entry(index).generation
        except FileCut:
            raise WireError("invalid_image", "The file has been cut short.", "image.slot") from None
        if now != entry.generation:
            raise WireError("invalid_image", "The slot was written to while it was read.", "image.slot")

    def answer(self, index: int, generation: int) -> Result:
        """Take a free slot for an answer.

        Raises:
            WireError: with a path below `result`, if it is not free.
        """
        entry = self._entry(index, "result")
        if entry.generation != generation or generation % 2:
            raise WireError("invalid_value", f"The slot is at generation {entry.generation}.", "result.generation")
        if entry.state != shared_layout.FREE or self._readers[index] or index in self._answering:
            raise WireError("invalid_value", "The slot is not free.", "result")
        self._users += 1
        self._answering.add(index)
        taken = Entry(generation=generation + 1, state=shared_layout.ANSWERING, owner=shared_layout.NODE)
        self.file.write_entry(index, taken)
        return Result(self, index, taken)

    def end(self) -> None:
        """Take the file back, as soon as no request needs it."""
        self._ended = True
        if not self._users:
            self.file.close()

    def close(self) -> None:
        """Take the file back at once."""
        self._ended = True
        self.file.close()

    def is_over(self, now: float) -> bool:
        """Tell whether the client is gone."""
        if self.file.is_held():
            self._was_held = True
            return False
        return self._was_held or now > self._granted + _UNTOUCHED

    def _answered(self, index: int) -> None:
        self._answering.discard(index)
        self._release()

    def _release(self) -> None:
        self._users -= 1
        if self._ended and not self._users:
            self.file.close()

    def _entry(self, index: int, path: str) -> Entry:
        if index >= self.file.header.slots:
            raise WireError("invalid_value", f"The lease has {self.file.header.slots} slots.", f"{path}.index")
        try:
            return self.file.entry(index)
        except FileCut:
            raise WireError("invalid_value", "The file has been cut short.", f"{path}.lease") from None

    def _set(self, index: int, state: int, owner: int) -> None:
        if self.file.is_open:
            self.file.write_state(index, state, owner)


class Result:
    """A slot that an answer is being written to."""

    def __init__(self, lease: Lease, index: int, entry: Entry) -> None:
        self._lease = lease
        self._index = index
        self._entry = entry
        self._open = True

    @property
    def generation(self) -> int:
        """What the slot's generation will be when the answer is whole."""
        return self._entry.generation + 1

    @property
    def place(self) -> dict[str, Any]:
        """Where the worker finds the slot."""
        header = self._lease.file.header
        return {
            "file": self._lease.file.name,
            "offset": header.offset(self._index),
            "nbytes": header.slot_bytes,
            "slot": {"lease": self._lease.name, "index": self._index, "generation": self.generation},
        }

    def done(self, length: int, checksum: int | None) -> None:
        """Hand the answer over to the client."""
        self._finish(
            state=shared_layout.ANSWERED,
            owner=shared_layout.CLIENT,
            length=length,
            encoding=shared_layout.ENCODINGS["masks"],
            flags=0 if checksum is None else shared_layout.HAS_CHECKSUM,
            checksum=checksum or 0,
        )

    def drop(self) -> None:
        """Set the slot free, unless the answer has been handed over."""
        self._finish(state=shared_layout.FREE, owner=shared_layout.NOBODY)

    def _finish(self, **fields: int) -> None:
        if not self._open:
            return
        self._open = False
        file = self._lease.file
        if file.is_open:
            file.write_entry(self._index, replace(self._entry, generation=self.generation, **fields))
        self._lease._answered(self._index)


class Leases:
    """Grant leases within bounds, find them by name, and end those whose clients are gone."""

    def __init__(self, directory: Path, capacity: int, per_client: int) -> None:
        """Make the table.

        Args:
            directory: The node's private directory.
            capacity: Bytes of all leases together; 0 for none.
            per_client: Bytes of the leases of one connection.
        """
        self._directory = directory
        self._capacity = capacity
        self._per_client = min(per_client, capacity)
        self._leases: dict[str, Lease] = {}
        self._pending: list[tuple[Any, int]] = []
        self._look_at = 0.0

    def __len__(self) -> int:
        return len(self._leases)

    @property
    def nbytes(self) -> int:
        """Bytes of all leases."""
        return sum(lease.nbytes for lease in self._leases.values())

    def prepare(self, slots: int, slot_bytes: int, route: Any) -> Callable[[], SharedFile]:
        """Check that a lease may be granted, and count it; return what makes its file, in any thread.

        Either `grant` or `give_up` must follow.

        Raises:
            WireError: `no_shared_memory`, `too_large` or `busy`.
        """
        if not self._capacity:
            raise WireError("no_shared_memory", "This node gives no shared memory to its clients.")
        size = shared_layout.round_slot(slot_bytes)
        nbytes = Header(0, slots, size).file_bytes
        if nbytes > self._per_client:
            raise WireError(
                "too_large", f"{nbytes} bytes are more than the {self._per_client} that a client gets.", "slot_bytes"
            )
        counted = [*((lease.route, lease.nbytes) for lease in self._leases.values()), *self._pending]
        if sum(count for other, count in counted if other == route) + nbytes > self._per_client:
            raise WireError("busy", f"This connection has its {self._per_client} bytes of shared memory.")
        if sum(count for _, count in counted) + nbytes > self._capacity:
            raise WireError("busy", f"The {self._capacity} bytes of shared memory for clients are taken.")
        self._pending.append((route, nbytes))
        return lambda: SharedFile(self._directory, slots, size)

    def grant(self, file: SharedFile, route: Any, now: float) -> Lease:
        """Enter a lease whose file has been made."""
        self._pending.remove((route, file.header.file_bytes))
        lease = Lease(secrets.token_hex(16), file, route, now)
        self._leases[lease.name] = lease
        self._look_at = self._look_at or now + _LOOK
        return lease

    def give_up(self, slots: int, slot_bytes: int, route: Any) -> None:
        """Forget a lease whose file could not be made."""
        self._pending.remove((route, Header(0, slots, shared_layout.round_slot(slot_bytes)).file_bytes))

    def find(self, name: str, path: str) -> Lease:
        """Return a lease.

        Raises:
            WireError: `unknown_lease`.
        """
        lease = self._leases.get(name)
        if lease is None:
            raise WireError("unknown_lease", "No shared memory of this name is leased here (any more).", path)
        return lease

    def take_back(self, name: str) -> None:
        """End a lease at its client's wish. WireError as `find`."""
        lease = self.find(name, "lease")
        del self._leases[name]
        lease.end()

    def tick(self, now: float) -> None:
        """End the leases of clients that are gone, if it is time to look."""
        if not self._leases or now < self._look_at:
            return
        self._look_at = now + _LOOK
        for name, lease in list(self._leases.items()):
            if lease.is_over(now):
                log.info("A client that had shared memory is gone; it is taken back.")
                del self._leases[name]
                lease.end()

    def next_event(self) -> float | None:
        """Return when `tick` is due next, monotonic seconds."""
        return self._look_at if self._leases else None

    def close(self) -> None:
        """End all leases at once."""
        for lease in self._leases.values():
            lease.close()
        self._leases.clear()
