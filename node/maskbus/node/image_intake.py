"""From the image of a request to the piece of shared memory that a worker looks at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from maskbus.engine.arena import Arena, ArenaFull, Slot
from maskbus.image_digest import image_digest
from maskbus.node.image_store import ImageStore, KeptImage, new_image_id
from maskbus.node.leases import Leases
from maskbus.scheduler import Job
from maskbus_wire import compressed_image, image_checks, raw_image, shared_layout
from maskbus_wire import prompts as wire
from maskbus_wire.errors import WireError
from maskbus_wire.limits import Limits
from maskbus_wire.prompts import Image
from maskbus_wire.requests import Embed, MaskWork, Request, Work
from maskbus_wire.version import minor_of

Payload = bytes | memoryview
Taken = tuple[dict[str, Any], tuple[int, int], KeptImage | None]
"""What the worker is told of an image; its width and height; and its entry, where it lies in the node's own memory."""


class Once:
    """An image that one model after the other is to look at: it is taken in once."""

    def __init__(self) -> None:
        self.let_go: Callable[[], None] | None = None
        """Gives back the image; None where none has been taken in yet."""
        self._taken: Taken | None = None
        self._hold: Callable[[], Callable[[], None]] | None = None

    def keep(self, job: Job, taken: Taken) -> None:
        """Hold what was taken in for a job."""
        picture, size, kept = taken
        # Whether the digest is told is another model's affair.
        self._taken = {name: value for name, value in picture.items() if name != "digest"}, size, kept
        assert job.hold_image is not None
        self._hold = job.hold_image
        self.let_go = self._hold()

    def again(self, job: Job) -> Taken | None:
        """Return what was taken in, and have a job hold it as well; None where there is nothing yet."""
        if self._taken is None or self._hold is None:
            return None
        job.hold_image = self._hold
        job.holds.append(self._hold())
        picture, size, kept = self._taken
        return dict(picture), size, kept


class ImageIntake:
    """Take in images, wherever they are, and look up those that are kept."""

    def __init__(self, limits: Limits, arena: Arena, images: ImageStore, leases: Leases) -> None:
        self._limits = limits
        self._arena = arena
        self._images = images
        self._leases = leases

    def take(self, job: Job, request: Work, attachments: Sequence[Payload]) -> Taken:
        """Take in a request's image; `job` holds its memory from here on.

        Raises:
            WireError: with the path of what is wrong.
        """
        image = request.image
        if image.image_id is not None:
            kept = self._images.get(image.image_id, job.received)
            if kept is None:
                raise self.no_image(image.image_id, request, "image.image_id")
            _hold(job, kept.slot.retain())
        elif image.slot is not None:
            return self._leased_picture(job, request, image.slot)
        else:
            kept = self.stow(image, attachments, new_image_id() if _keeps(request) else "")
            _hold(job, kept.slot)
        return _picture(kept), (kept.width, kept.height), kept

    @staticmethod
    def digest(kept: KeptImage) -> bytes:
        """Return the digest of an image that lies in the node's own shared memory; it is computed once."""
        if not kept.digest:
            data = kept.slot.view[: kept.nbytes]
            kept.digest = image_digest(kept.encoding, kept.width, kept.height, kept.step, data)
        return kept.digest

    def stow(self, image: Image, attachments: Sequence[Payload], name: str = "") -> KeptImage:
        """Copy an image's bytes into shared memory, where the caller holds them once; `name` is its `image_id`, if any.

        Raises:
            WireError: with the path of what is wrong.
        """
        data = image_checks.blob_bytes(image, attachments, self._limits, "image")
        encoding, width, height, step = self._measure(image, data, "image")
        slot = self.room(len(data))
        slot.write(data)
        return KeptImage(name, slot, len(data), encoding, width, height, step, {})

    def take_stowed(self, job: Job, stowed: KeptImage) -> Taken:
        """Take in an image that is there already; `job` holds it as well from here on."""
        _hold(job, stowed.slot.retain())
        return _picture(stowed), (stowed.width, stowed.height), None

    def no_image(self, image_id: str, request: Request, path: str) -> WireError:
        """Return what is to be said of an image that is not kept here."""
        if self._images.has_expired(image_id):
            # Whoever speaks an earlier version does not know the code, but knows what to do: send the pixels again.
            code = "image_expired" if (minor_of(request.maskbus) or 0) >= 2 else "unknown_image"
            return WireError(code, "The image has been dropped for want of room, or for its age.", path)
        return WireError("unknown_image", "No image of this image_id is kept here (any more).", path)

    def room(self, nbytes: int) -> Slot:
        """Return a slot for `nbytes`; kept images make way for it. WireError where there is none."""
        if not self._arena.can_hold(nbytes):
            raise WireError("too_large", f"{nbytes} bytes are more than the node's shared memory takes.", "image")
        while True:
            try:
                return self._arena.lease(nbytes)
            except ArenaFull as full:
                if not self._images.evict_oldest():
                    raise WireError("busy", str(full), "image") from None

    def _leased_picture(self, job: Job, request: Work, slot: wire.Slot) -> Taken:
        """Do the same for an image in a client's slot.

        A raw image that is not kept is looked at where it lies. Others are copied: what is kept, or decoded, must not
        change meanwhile.
        """
        lease = self._leases.find(slot.lease, "image.slot.lease")
        entry, encoding = lease.image(slot.index, slot.generation)
        image = Image(
            attachment=0,
            encoding=encoding,
            width=entry.width or None,
            height=entry.height or None,
            step=entry.step or None,
        )
        image_checks.check_image(image, 1, self._limits, "image.slot")
        name = new_image_id() if _keeps(request) else ""
        kept = None
        if name or encoding in image_checks.COMPRESSED:
            copied = self.room(entry.length)
            _hold(job, copied)
            lease.copy(slot.index, entry, copied.view)
            encoding, width, height, step = self._measure(image, copied.view, "image.slot")
            kept = KeptImage(name, copied, entry.length, encoding, width, height, step, {})
            picture = _picture(kept)
        else:
            encoding, width, height, step = _measure_raw(image, entry.length, "image.slot")
            job.hold_image = partial(lease.read, slot.index)
            job.holds.append(job.hold_image())
            picture = {
                "slot": lease.file.name,
                "offset": lease.file.header.offset(slot.index),
                "nbytes": entry.length,
                "encoding": encoding,
                "width": width,
                "height": height,
                "step": step,
                "key": "",
                "entry": shared_layout.entry_offset(slot.index),
                "generation": entry.generation,
            }
        if entry.flags & shared_layout.HAS_CHECKSUM:
            picture["checksum"] = entry.checksum
        return picture, (width, height), kept

    def _measure(self, image: Image, data: Payload, path: str) -> tuple[str, int, int, int]:
        """Return encoding, width, height and step of an image, having compared what is announced with what is there."""
        if image.encoding in raw_image.CHANNELS:
            return _measure_raw(image, len(data), path)
        try:
            encoding, width, height = compressed_image.probe(data)
        except ValueError as error:
            raise WireError("invalid_image", str(error), path) from None
        if image.encoding is not None and image.encoding != encoding:
            raise WireError("invalid_image", f"The image is {encoding}, not {image.encoding}.", f"{path}.encoding")
        if (image.width or width, image.height or height) != (width, height):
            raise WireError(
                "invalid_image", f"The image has {width}×{height} pixels, not {image.width}×{image.height}.", path
            )
        if max(width, height) > self._limits.side or width * height > self._limits.pixels:
            raise WireError(
                "too_large",
                f"The image has {width}×{height} pixels; the limit is {self._limits.pixels} in all.",
                path,
            )
        return encoding, width, height, 0


def _measure_raw(image: Image, nbytes: int, path: str) -> tuple[str, int, int, int]:
    """Do the same for raw pixels, which need not be looked at."""
    assert image.encoding is not None
    width, height = image.width or 0, image.height or 0
    step = image.step or width * raw_image.CHANNELS[image.encoding]
    needed = raw_image.required_bytes(width, height, step, image.encoding)
    if not needed <= nbytes <= step * height:
        raise WireError(
            "invalid_image", f"{width}×{height} {image.encoding} takes {needed} bytes; {nbytes} are there.", path
        )
    return image.encoding, width, height, step


def _picture(kept: KeptImage) -> dict[str, Any]:
    return {
        "slot": kept.slot.name,
        "nbytes": kept.nbytes,
        "encoding": kept.encoding,
        "width": kept.width,
        "height": kept.height,
        "step": kept.step,
        "key": kept.image_id,
    }


def _hold(job: Job, slot: Slot) -> None:
    """Have a job give back a slot when it is over."""
    job.holds.append(slot.release)
    job.hold_image = lambda: slot.retain().release


def _keeps(request: Work) -> bool:
    return isinstance(request, Embed) or (isinstance(request, MaskWork) and request.keep)
