"""Asking the node for shared memory, and giving it back."""

from __future__ import annotations

from maskbus_client.core import Peer, converse, expect
from maskbus_client.errors import MaskbusError, NodeError, NodeUnreachable, NoSharedMemory, UnknownOperation
from maskbus_client.lease import Lease
from maskbus_client.link import new_id
from maskbus_client.shared_mapping import Mapping
from maskbus_client.steps import Flow
from maskbus_wire import replies, requests

_BY_THE_WAY = 2.0
"""Seconds that a request waits for a lease nobody asked for."""
_FAREWELL = 0.5
"""Seconds to wait for the answer to `return`. It is a courtesy: the lock tells the node as well."""


def lease(peer: Peer, slots: int, slot_bytes: int, *, deadline: float | None = None, once: bool = False) -> Flow[Lease]:
    """Lease slots and map them; for `once` see `converse`.

    Raises:
        NodeError: what the node answered; NoSharedMemory also where its file cannot be opened here.
        ProtocolError: if the file is not what the node says.
    """
    request = requests.Lease(id=new_id(), slots=slots, slot_bytes=slot_bytes)
    leased = expect((yield from converse(peer, request, deadline=deadline, once=once)), replies.Leased)
    try:
        return Lease(leased.lease, Mapping(leased, slots, slot_bytes))
    except MaskbusError:
        yield from _return(peer, leased.lease)
        raise


def lease_by_the_way(peer: Peer, slots: int, slot_bytes: int, left: float) -> Flow[Lease | NodeError | NodeUnreachable]:
    """Do the same for a request that can do without, and has `left` seconds; return the error if there is none."""
    try:
        return (yield from lease(peer, slots, slot_bytes, deadline=min(_BY_THE_WAY, left / 2), once=True))
    except (NodeError, NodeUnreachable) as error:
        return error  # a node that is being restarted may still answer the request itself


def give_back(peer: Peer, lease: Lease) -> Flow[None]:
    """Return a lease. The memory stays mapped for as long as there are arrays and results that lie in it."""
    if lease.mapping.inherited or lease.lost:
        return
    lease.lost = True
    yield from _return(peer, lease.name)


def _return(peer: Peer, name: str) -> Flow[None]:
    try:
        yield from converse(peer, requests.Return(id=new_id(), lease=name), deadline=_FAREWELL, once=True)
    except MaskbusError:
        return  # it knows nothing of it, or is gone itself


def is_hopeless(error: MaskbusError) -> bool:
    """Tell whether asking again soon is of no use: the node gives nothing, or is too old to know of it."""
    return isinstance(error, (NoSharedMemory, UnknownOperation))
