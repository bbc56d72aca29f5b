"""Shared memory for the frames of one stream, asked for over the stream's own connection. No socket."""

from __future__ import annotations

from maskbus_client import leasing
from maskbus_client.core import Peer
from maskbus_client.errors import MaskbusError
from maskbus_client.lease import Lease
from maskbus_client.link import new_id
from maskbus_client.shared_mapping import Mapping
from maskbus_client.sockets import LARGE
from maskbus_client.steps import Flow
from maskbus_wire import prompts, raw_image, replies, requests
from maskbus_wire.frames import Buffer
from maskbus_wire.shared_layout import round_slot

_MOST_SLOTS = 16
_MOST_BYTES = 192 * 1024 * 1024
"""Of all slots. A node gives a client 256 MiB where its configuration says nothing else."""
_PATIENCE = 5.0
"""Seconds after which a node that did not answer, or was busy, is asked again."""
_LONG_PAUSE = 60.0
"""Seconds after which a node that gives no shared memory is asked again: it may be another one by then."""


class StreamSlots:
    """Put raw frames into slots. As long as there are none, frames are sent as bytes: nobody waits for memory."""

    def __init__(self, peer: Peer, slots: int) -> None:
        """Begin without any.

        Args:
            peer: What the client's calls share.
            slots: How many are wanted.
        """
        self._peer = peer
        self._slots = min(slots, _MOST_SLOTS)
        self._lease: Lease | None = None
        self._wanted = 0
        """Bytes that a slot should have; 0 where all is well."""
        self._ask_at = 0.0
        self._asked: requests.Lease | None = None
        self._returned: str | None = None
        """Name of a lease that is to be given back."""

    @property
    def are_asked_for(self) -> bool:
        """Tell whether the node has been asked for slots and has not answered."""
        return self._asked is not None

    def takes(self, image: prompts.Image, data: Buffer) -> bool:
        """Tell whether there are slots for such an image. If not, and there might be, they are asked for."""
        nbytes = memoryview(data).nbytes
        if image.encoding not in raw_image.CHANNELS or nbytes < LARGE:
            return False
        lease = self._lease
        if lease is not None and not lease.lost and nbytes <= lease.slot_bytes:
            return True
        self._wanted = max(round_slot(nbytes), lease.slot_bytes if lease is not None else 0)
        return False

    def place(self, image: prompts.Image, data: Buffer, stamp: int | None) -> tuple[Lease, prompts.Slot] | None:
        """Copy an image that they take to a slot, which must be given back to its lease; None where none is free."""
        lease = self._lease
        index = lease.take() if lease is not None else None
        if lease is None or index is None:
            return None
        return lease, lease.write(index, image, data, stamp)

    def renew(self) -> None:
        """Ask for others: the node may have been restarted, and then knows nothing of these."""
        lease, self._lease = self._lease, None
        if lease is not None and not lease.lost:
            lease.lost = True
            self._returned = lease.name
        self._ask_at = 0.0

    def errand(self) -> requests.Lease | requests.Return | None:
        """Return what the node is to be asked now, if anything; `sent` must follow once it has been sent."""
        if self._returned is not None:
            return requests.Return(id=new_id(), lease=self._returned)
        count = min(self._slots, _MOST_BYTES // self._wanted) if self._wanted else 0
        if count < 2 or self._peer.clock() < self._ask_at:
            return None
        return requests.Lease(id=new_id(), slots=count, slot_bytes=self._wanted)

    def sent(self, request: requests.Lease | requests.Return) -> None:
        """Note that a request is on its way."""
        if isinstance(request, requests.Return):
            self._returned = None
        else:
            self._asked = request
            self._ask_at = self._peer.clock() + _PATIENCE

    def leased(self, reply: replies.Leased) -> None:
        """Use slots that the node has given."""
        asked = self._asked
        if asked is None or reply.id != asked.id:
            self._returned = reply.lease  # nobody waits for it any more
            return
        self._asked = None
        try:
            fresh = Lease(reply.lease, Mapping(reply, asked.slots, asked.slot_bytes))
        except MaskbusError as error:
            self._returned = reply.lease
            self._pause(error)
            return
        self.renew()
        self._lease = fresh
        self._wanted = 0

    def refused(self, id: str, error: MaskbusError) -> bool:
        """Take note of an error, if it is the answer to a request for slots; tell whether it is."""
        if self._asked is None or id != self._asked.id:
            return False
        self._asked = None
        self._pause(error)
        return True

    def shut(self) -> Flow[None]:
        """Give the slots back."""
        self._slots = 0
        lease, self._lease = self._lease, None
        if lease is not None:
            yield from leasing.give_back(self._peer, lease)

    def _pause(self, error: MaskbusError) -> None:
        self._ask_at = self._peer.clock() + (_LONG_PAUSE if leasing.is_hopeless(error) else _PATIENCE)
