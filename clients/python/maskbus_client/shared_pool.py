"""Shared memory that a client uses by itself, for arrays that callers give it as always."""

from __future__ import annotations

from maskbus_client import leasing
from maskbus_client.core import Peer
from maskbus_client.lease import Lease
from maskbus_client.sockets import LARGE
from maskbus_client.steps import Flow
from maskbus_wire import prompts, raw_image
from maskbus_wire.frames import Buffer
from maskbus_wire.shared_layout import round_slot

_FIRST_SLOTS = 4
_MOST_SLOTS = 16
_MOST_BYTES = 192 * 1024 * 1024
"""Of all slots. A node gives a client 256 MiB where its configuration says nothing else."""
_LEAST_TIME = 0.2
"""Seconds that a request must have if it is to wait for slots. A lease whose reply comes too late is nobody's."""
_PAUSE = 5.0
"""Seconds after which a node that was busy is asked again."""
_LONG_PAUSE = 60.0
"""Seconds after which a node that gives no shared memory is asked again: it may be another one by then."""


class Pool:
    """Put images into a lease that grows with them. Whatever does not work is sent as always."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._lease: Lease | None = None
        self._growing = False
        self._ask_again = 0.0
        self._closed = False

    @property
    def lease(self) -> Lease | None:
        """The slots that are there now."""
        lease = self._lease
        return None if lease is None or lease.lost else lease

    def place(
        self, image: prompts.Image, data: Buffer, stamp: int | None, left: float
    ) -> Flow[tuple[Lease, prompts.Slot] | None]:
        """Copy an image to a slot, which the caller must give back; None where there is none.

        Args:
            image: What it is.
            data: Its bytes.
            stamp: Its time, if known.
            left: Seconds that its request has.
        """
        nbytes = memoryview(data).nbytes
        if image.encoding not in raw_image.CHANNELS or nbytes < LARGE:
            return None
        lease = self.lease
        index = lease.take() if lease is not None and nbytes <= lease.slot_bytes else None
        if index is None:
            lease = yield from self._grow(nbytes, left)
            index = lease.take() if lease is not None else None
        if lease is None or index is None:
            return None
        return lease, lease.write(index, image, data, stamp)

    def forget(self, lost: Lease) -> None:
        """Use a lease no more that the node knows nothing of."""
        if self._lease is lost:
            self._lease = None

    def shut(self) -> Flow[None]:
        """Give the slots back."""
        self._closed = True
        lease, self._lease = self._lease, None
        if lease is not None:
            yield from leasing.give_back(self._peer, lease)

    def _grow(self, nbytes: int, left: float) -> Flow[Lease | None]:
        """Return slots in place of those that are too few, too small or lost; None if there are none to be had."""
        now = self._peer.clock()
        old = self.lease
        slots, slot_bytes = self._size(old, nbytes)
        if slots < 2 or left < _LEAST_TIME or self._growing or self._is_closed() or now < self._ask_again:
            return None
        if old is not None and (old.slots, old.slot_bytes) == (slots, slot_bytes):
            return None
        self._growing = True
        try:
            self._lease = None
            if old is not None:
                # Results that lie there keep what they have. What is under way in it is sent once more, as bytes.
                yield from leasing.give_back(self._peer, old)
            found = yield from leasing.lease_by_the_way(self._peer, slots, slot_bytes, left)
            if not isinstance(found, Lease):
                self._ask_again = self._peer.clock() + (_LONG_PAUSE if leasing.is_hopeless(found) else _PAUSE)
                return None
            if self._is_closed():
                yield from leasing.give_back(self._peer, found)
                return None
            self._lease = found
            return found
        finally:
            self._growing = False

    def _is_closed(self) -> bool:
        return self._closed

    def _size(self, old: Lease | None, nbytes: int) -> tuple[int, int]:
        slot_bytes = round_slot(nbytes)
        slots = _FIRST_SLOTS
        if old is not None:
            fits = slot_bytes <= old.slot_bytes
            slot_bytes = max(slot_bytes, old.slot_bytes)
            slots = min(2 * old.slots, _MOST_SLOTS) if fits else old.slots
        return min(slots, _MOST_BYTES // slot_bytes), slot_bytes
