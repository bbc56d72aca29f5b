"""One request whose image is in shared memory, and whose masks may come back there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from maskbus_client import core
from maskbus_client.core import Incoming, Peer
from maskbus_client.errors import InvalidValue, UnknownLease
from maskbus_client.image_input import ImageSource
from maskbus_client.lease import Lease
from maskbus_client.shared_image import SharedImage
from maskbus_client.shared_pool import Pool
from maskbus_client.sockets import LARGE
from maskbus_client.steps import Flow
from maskbus_wire import prompts, replies, requests
from maskbus_wire.frames import Buffer

_LOGITS_BYTES = 256 * 256 * 4
"""What logits usually take."""


def converse(
    peer: Peer,
    request: requests.AnyWork,
    attachments: Sequence[Buffer],
    *,
    deadline: float,
    copy: bool,
    image: ImageSource | None,
    pool: Pool | None,
    progress: Callable[[replies.Progress], None] | None = None,
) -> Flow[Incoming]:
    """Send a request, and end in its answer, as `core.converse` does.

    Should the slots turn out to be of no use, the request goes out once more as it would without them.

    Args:
        peer: What this client's calls share.
        request: As it would be sent without shared memory: the image is attachment 0.
        attachments: Those that it would be sent with.
        deadline: Seconds for all of it.
        copy: Whether the attachments' memory may change before the call is over.
        image: The image, if the caller put it into shared memory.
        pool: Shared memory for all other images, if there is any.
        progress: As `core.converse`.
    """
    assert image is None or isinstance(image, SharedImage)
    end = peer.clock() + deadline
    lease: Lease | None = None
    slot: prompts.Slot | None = None
    if image is not None:
        lease, slot = image.lend(request.stamp)
        if image.memory.peer is not peer:
            lease = slot = None  # it is another node's, or might be: pixels are understood by all
    offer: prompts.Slot | None = None
    try:
        if image is not None:
            if lease is not None and lease.lost:
                yield from image.memory.renew(lease, deadline)
        elif pool is not None:
            placed = None
            if request.image.attachment == 0:
                placed = yield from pool.place(request.image, attachments[0], request.stamp, deadline)
            lease, slot = placed or (pool.lease, None)
        wanted = image is None or image.memory.masks
        if lease is not None and wanted and _has_large_answer(request):
            offer = lease.offer()
        named, answer = slot, offer
        while True:
            shared = _with_slots(request, named, answer)
            rest = attachments if named is None else [b"", *attachments[1:]] if len(attachments) > 1 else ()
            left = max(0.001, end - peer.clock())
            try:
                incoming = yield from core.converse(peer, shared, rest, deadline=left, copy=copy, progress=progress)
                break
            except UnknownLease:
                if lease is None or (named is None and answer is None):
                    raise
                named = answer = None
                lease.lost = True
                if image is not None:
                    yield from image.memory.renew(lease, end - peer.clock())
                elif pool is not None:
                    pool.forget(lease)
            except InvalidValue as error:
                # Another try of this request has the slot, or an earlier one that nobody waits for any more.
                if answer is not None and error.path.startswith("result"):
                    answer = None
                elif named is not None and error.path.startswith("image.slot"):
                    named = None
                else:
                    raise
        if lease is not None and offer is not None:
            found = incoming.reply
            if isinstance(found, replies.Masks) and found.result is not None:
                incoming = incoming._replace(shared=lease.accept(offer, found.result))
                offer = None
        return incoming
    finally:
        # No step may be taken here: a call that is given up is given up at once.
        if lease is not None and offer is not None:
            lease.withdraw(offer)
        if image is not None:
            image.done()
        elif lease is not None and slot is not None:
            lease.give_back(slot.index)


def _with_slots(request: requests.AnyWork, slot: prompts.Slot | None, answer: prompts.Slot | None) -> requests.AnyWork:
    if slot is not None:
        request = replace(request, image=prompts.Image(slot=slot))
    return replace(request, result=answer) if answer is not None and isinstance(request, requests.Segment) else request


def _has_large_answer(request: requests.AnyWork) -> bool:
    """Tell whether the masks are likely to be so large that a slot for them pays."""
    if not isinstance(request, requests.Segment) or request.inline:
        return False
    image = request.image
    # Of files, and images that the node keeps, the size may not be known: then they are believed to be large.
    pixels = image.width * image.height if image.width and image.height else 8 * LARGE
    nbytes = {"raw": pixels, "labels": pixels, "overlay": pixels, "bits": pixels // 8, "logits": _LOGITS_BYTES}
    return any(nbytes.get(encoding, 0) >= LARGE for encoding in request.encodings)
