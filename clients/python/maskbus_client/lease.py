"""The slots of one lease: which of them this process uses, and what it may do with the others."""

from __future__ import annotations

import threading
import weakref
import zlib
from collections.abc import Iterator

import numpy as np

from maskbus_client.errors import ProtocolError
from maskbus_client.shared_mapping import Mapping
from maskbus_wire.frames import Buffer
from maskbus_wire.prompts import Image, Slot
from maskbus_wire.shared_layout import (
    ANSWERED,
    ANSWERING,
    CLIENT,
    ENCODINGS,
    FREE,
    HAS_CHECKSUM,
    READING,
    WRITING,
    WRITTEN,
    Entry,
)


class Lease:
    """Give slots to whoever needs one, from any thread. A slot that the node reads or writes is never given."""

    def __init__(self, name: str, mapping: Mapping) -> None:
        """Begin with all slots free.

        Args:
            name: How the node calls the lease.
            mapping: Its file.
        """
        self.name = name
        self.mapping = mapping
        self.slot_bytes = mapping.header.slot_bytes
        self.lost = False
        """Whether the node knows nothing of it any more, or it has been returned. Its slots are but memory then."""
        self._taken = [False] * mapping.header.slots
        self._unsettled: dict[int, int] = {}
        """Slot → generation at which it was offered to a request of which nobody knows whether it will arrive."""
        self._lock = threading.Lock()

    @property
    def slots(self) -> int:
        """How many there are."""
        return len(self._taken)

    @property
    def free(self) -> int:
        """How many could be had now."""
        return sum(1 for _ in self._available())

    def take(self) -> int | None:
        """Return a slot to write an image to, `writing` already; None where none is free."""
        mapping = self.mapping
        with self._lock:
            for index in self._available():
                generation = mapping.generation(index)
                if self._unsettled.get(index) == generation:
                    # That request would still get the slot. Only another one that it is offered to settles that.
                    continue
                self._taken[index] = True
                self.begin(index)
                return index
        return None

    def begin(self, index: int) -> None:
        """Begin to write to a slot that is taken."""
        self.mapping.set_state(index, WRITING, CLIENT)
        self.mapping.set_generation(index, (self.mapping.generation(index) + 1) | 1)

    def publish(self, index: int, entry: Entry) -> Slot:
        """Say what has been written to a slot; return how a request names it."""
        mapping = self.mapping
        mapping.describe(index, entry)
        # Processors that put off writes do no harm here: the node does not look before a message tells it to, and that
        # goes through the kernel, after all that was written.
        generation = mapping.generation(index) + 1
        mapping.set_generation(index, generation)
        mapping.set_state(index, WRITTEN, CLIENT)
        return Slot(lease=self.name, index=index, generation=generation)

    def write(self, index: int, image: Image, data: Buffer, stamp: int | None) -> Slot:
        """Copy an image to a slot that has been taken; return how a request names it.

        Args:
            index: The slot. It is given back should this fail.
            image: What the image is, raw.
            data: Its bytes.
            stamp: Its time, if known.
        """
        try:
            nbytes = memoryview(data).nbytes
            np.copyto(self.mapping.data(index, nbytes), np.frombuffer(data, np.uint8))
            entry = Entry(
                length=nbytes,
                width=image.width or 0,
                height=image.height or 0,
                step=image.step or 0,
                encoding=ENCODINGS[image.encoding or ""],
                stamp=stamp or 0,
            )
            return self.publish(index, entry)
        except BaseException:
            self.give_back(index)
            raise

    def is_read(self, index: int) -> bool:
        """Tell whether the node reads a slot."""
        return self.mapping.state(index) == READING

    def offer(self) -> Slot | None:
        """Return a free slot for an answer, as a request names it; None where there is none.

        `accept` or `withdraw` must follow.
        """
        mapping = self.mapping
        with self._lock:
            if self.lost:
                return None
            index = next(iter(sorted(self._available(), key=self._is_settled)), None)
            if index is None:
                return None
            self._taken[index] = True
            generation = mapping.generation(index)
            if mapping.state(index) != FREE:
                mapping.set_state(index, FREE, CLIENT)
            return Slot(lease=self.name, index=index, generation=generation)

    def accept(self, offered: Slot, answered: Slot) -> memoryview:
        """Return the bytes of an answer, read-only. The slot is free again when nobody looks at them any more.

        Args:
            offered: What the request named.
            answered: What the reply names.

        Raises:
            ProtocolError: if the answer is not there. `withdraw` must follow then.
        """
        entry = self.mapping.entry(offered.index)
        if (answered.lease, answered.index) != (offered.lease, offered.index):
            raise ProtocolError("The reply is in another slot than the one that was offered.")
        if entry.state != ANSWERED or entry.generation != answered.generation or entry.generation % 2:
            raise ProtocolError(
                f"The reply is said to be in its slot at generation {answered.generation}; "
                f"the slot is in state {entry.state} at {entry.generation}."
            )
        if entry.length > self.slot_bytes:
            raise ProtocolError(f"The reply is said to take {entry.length} bytes of a slot of {self.slot_bytes}.")
        # An array, because it can be watched; behind a memoryview, because arrays of arrays refer to the first of all.
        anchor = self.mapping.data(offered.index, entry.length)
        data = anchor.data.toreadonly()
        if entry.flags & HAS_CHECKSUM and zlib.crc32(data) != entry.checksum:
            raise ProtocolError("The reply's bytes in shared memory have another checksum than they should.")
        weakref.finalize(anchor, self.give_back, offered.index).atexit = False
        return data

    def withdraw(self, offered: Slot) -> None:
        """Take back an offer that came to nothing."""
        if self.mapping.generation(offered.index) == offered.generation:
            # Was it refused, or will the node find it in a minute? If the slot is offered again, only one of the two
            # requests can have it, and the other is told so; but nothing else may be written to it.
            self._unsettled[offered.index] = offered.generation
        self.give_back(offered.index)

    def give_back(self, index: int) -> None:
        """Let go of a slot. Called by whichever thread collects garbage, so it waits for no lock."""
        mapping = self.mapping
        if mapping.inherited:
            return
        state = mapping.state(index)
        if state == WRITING:
            mapping.set_generation(index, mapping.generation(index) + 1)
        if state in (WRITING, ANSWERED):
            mapping.set_state(index, FREE, CLIENT)
        self._taken[index] = False

    def _available(self) -> Iterator[int]:
        """Go through the slots that nobody here uses, nor the node.

        The first one was used most recently, and is in the processor's cache still: a copy to it takes half the time.
        """
        if self.mapping.inherited:
            return
        for index in range(self.slots):
            if not self._taken[index] and self.mapping.state(index) not in (READING, ANSWERING):
                yield index

    def _is_settled(self, index: int) -> bool:
        return self._unsettled.get(index) != self.mapping.generation(index)
