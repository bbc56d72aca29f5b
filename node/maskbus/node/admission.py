"""From a valid request to a job: is there such a model, is the image what it says it is, is there room?

Everything that can be refused is refused here, before anything is copied or queued.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from maskbus.config import Config
from maskbus.engine.arena import Arena, ArenaFull, Slot
from maskbus.engine.catalogue import Card, Catalogue
from maskbus.node.image_store import ImageStore, KeptImage, new_image_id
from maskbus.node.leases import Leases
from maskbus.scheduler import Job, ModelQueue, QueueFull
from maskbus.worker.channel import pack
from maskbus_wire import checks, compressed_image, raw_image, shared_layout
from maskbus_wire import prompts as wire
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Envelope
from maskbus_wire.limits import Limits
from maskbus_wire.prompts import Image, Prompt
from maskbus_wire.requests import Embed, Segment

Payload = bytes | memoryview


class Admission:
    """Make jobs of requests."""

    def __init__(
        self,
        config: Config,
        limits: Limits,
        catalogue: Catalogue,
        arena: Arena,
        images: ImageStore,
        leases: Leases,
    ) -> None:
        self._config = config
        self._limits = limits
        self._catalogue = catalogue
        self._arena = arena
        self._images = images
        self._leases = leases
        self._number = 0

    def admit(
        self,
        request: Segment | Embed,
        envelope: Envelope,
        attachments: Sequence[Payload],
        queues: Mapping[str, ModelQueue],
        route: Any,
    ) -> Job:
        """Return the job of a checked request; its pixels are in shared memory, and it holds them.

        Raises:
            WireError: with the path of what is wrong. Nothing is held then.
        """
        now = time.monotonic()
        card = self._card(request.model)
        if isinstance(request, Segment):
            _check_abilities(request, card)
        self._check_room(queues[card.name])
        milliseconds = request.deadline_ms or self._config.deadline_ms
        self._number += 1
        job = Job(
            number=self._number,
            route=route,
            envelope=envelope,
            model=card.name,
            lane=request.lane,
            received=now,
            deadline=now + milliseconds / 1e3,
            message={},
        )
        try:
            self._fill(job, request, attachments)
        except BaseException:
            job.finish()
            raise
        return job

    def _card(self, name: str) -> Card:
        card = self._catalogue.cards.get(name or self._config.default_model)
        if card is None:
            offered = ", ".join(sorted(self._catalogue.cards)) or "none"
            wanted = f"no model {name[:64]!r}" if name else f"no default model {self._config.default_model!r}"
            raise WireError("unknown_model", f"There is {wanted} here; there is {offered}.", "model")
        if not card.ready:
            raise WireError("model_unavailable", card.missing, "model")
        return card

    @staticmethod
    def _check_room(queue: ModelQueue) -> None:
        try:
            queue.require_room()
        except QueueFull as full:
            raise WireError(
                "busy", f"{full.length} requests wait for this model already.", queue_length=full.length
            ) from None

    def _fill(self, job: Job, request: Segment | Embed, attachments: Sequence[Payload]) -> None:
        picture, size, kept = self._picture(job, request, attachments)
        message: dict[str, Any] = {
            "type": "job",
            "job": job.number,
            "op": "embed" if isinstance(request, Embed) else "segment",
            "model": job.model,
            "received": job.received,
            "deadline": job.deadline,
            "image": picture,
            "meta": {
                "id": request.id,
                "stamp": request.stamp,
                "frame_id": request.frame_id,
                "stream": request.stream,
                "seq": request.seq,
            },
        }
        if isinstance(request, Segment):
            if request.result is not None:
                lease = self._leases.find(request.result.lease, "result.lease")
                job.result = lease.answer(request.result.index, request.result.generation)
                job.holds.append(job.result.drop)
                message["result"] = job.result.place
            checks.check_inside(request.prompt, *size)
            job.publish, job.encodings = request.publish, tuple(request.encodings)
            prompt, message["blobs"] = self._prompt(job, request.prompt, attachments)
            message |= {
                "prompt": prompt,
                "multimask": request.multimask,
                "options": request.options,
                "inline": request.inline,
            }
            if request.options or request.prompt.mask or len(request.prompt.text) > 1:
                self._check_size(message, request)
        job.message = message
        if kept is not None and kept.image_id == picture["key"]:
            if self._catalogue.cards[job.model].cache_embeddings:
                job.pinned = kept.workers.get(job.model)
            job.on_success = self._remember(job.model, kept, new=request.image.image_id is None)

    def _check_size(self, message: dict[str, Any], request: Segment) -> None:
        size = len(pack(message))
        if size > self._limits.control_bytes:
            path = "options" if request.options else "prompt"
            raise WireError("too_large", f"{path} and all else but the image take {size} bytes.", path)

    def _remember(self, model: str, kept: KeptImage, *, new: bool) -> Callable[[int], None]:
        """Return what is done once the job has succeeded. An image is kept only then: an error changes nothing."""

        def remember(worker: int) -> None:
            kept.workers[model] = worker
            if new:
                self._images.put(kept)

        return remember

    def _picture(
        self, job: Job, request: Segment | Embed, attachments: Sequence[Payload]
    ) -> tuple[dict[str, Any], tuple[int, int], KeptImage | None]:
        """Return what the worker is told of the image, its size, and the image's entry where it is to be kept."""
        image = request.image
        if image.image_id is not None:
            kept = self._images.get(image.image_id)
            if kept is None:
                raise WireError("unknown_image", "No image of this image_id is kept here (any more).", "image.image_id")
            job.holds.append(kept.slot.retain().release)
        elif image.slot is not None:
            return self._leased_picture(job, request, image.slot)
        else:
            data = checks.blob_bytes(image, attachments, self._limits, "image")
            encoding, width, height, step = self._measure(image, data, "image")
            slot = self._lease(len(data))
            job.holds.append(slot.release)
            slot.write(data)
            name = new_image_id() if isinstance(request, Embed) or request.keep else ""
            kept = KeptImage(name, slot, len(data), encoding, width, height, step, {})
        return _picture(kept), (kept.width, kept.height), kept if kept.image_id else None

    def _leased_picture(
        self, job: Job, request: Segment | Embed, slot: wire.Slot
    ) -> tuple[dict[str, Any], tuple[int, int], KeptImage | None]:
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
        checks.check_image(image, 1, self._limits, "image.slot")
        name = new_image_id() if isinstance(request, Embed) or request.keep else ""
        kept = None
        if name or encoding in checks.COMPRESSED:
            copied = self._lease(entry.length)
            job.holds.append(copied.release)
            lease.copy(slot.index, entry, copied.view)
            encoding, width, height, step = self._measure(image, copied.view, "image.slot")
            kept = KeptImage(name, copied, entry.length, encoding, width, height, step, {})
            picture = _picture(kept)
        else:
            encoding, width, height, step = _measure_raw(image, entry.length, "image.slot")
            job.holds.append(lease.read(slot.index))
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
        return picture, (width, height), kept if name else None

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

    def _prompt(
        self, job: Job, prompt: Prompt, attachments: Sequence[Payload]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Put the prompt's blobs into shared memory; return the prompt as plain values, and where its blobs are."""
        payloads: list[Payload] = []
        plain: dict[str, Any] = msgspec.to_builtins(prompt, builtin_types=(bytes,))
        for name in ("mask", "logits"):
            part = getattr(prompt, name)
            if part is None:
                continue
            if name == "mask" and part.counts is not None:
                payloads.append(part.counts.encode())
            else:
                payloads.append(checks.blob_bytes(part, attachments, self._limits, f"prompt.{name}"))
            plain[name] = {key: plain[name][key] for key in ("encoding", "shape") if key in plain[name]}
            plain[name]["attachment"] = len(payloads) - 1
        if not payloads:
            return plain, {}
        slot = self._lease(sum(map(len, payloads)))
        job.holds.append(slot.release)
        slot.write(*payloads)
        ranges, start = [], 0
        for payload in payloads:
            ranges.append((start, start + len(payload)))
            start += len(payload)
        return plain, {"slot": slot.name, "ranges": ranges}

    def _lease(self, nbytes: int) -> Slot:
        if not self._arena.can_hold(nbytes):
            raise WireError("too_large", f"{nbytes} bytes are more than the node's shared memory takes.", "image")
        while True:
            try:
                return self._arena.lease(nbytes)
            except ArenaFull as full:
                if not self._images.evict_oldest():
                    raise WireError("busy", str(full), "image") from None


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


def _check_abilities(request: Segment, card: Card) -> None:
    kinds = _kinds(request.prompt)
    for kind in sorted(kinds - card.prompts):
        takes = ", ".join(sorted(card.prompts))
        what = "a request without a prompt" if kind == "none" else f"{kind} as a prompt"
        path = "prompt" if kind == "none" else f"prompt.{kind}"
        raise WireError("unsupported_prompt", f"{card.name} does not take {what}; it takes {takes}.", path)
    if "logits" in request.encodings and not card.has_logits:
        raise WireError(
            "unknown_encoding", f"{card.name} has no logits.", f"encodings[{request.encodings.index('logits')}]"
        )


def _kinds(prompt: Prompt) -> set[str]:
    there = {
        "points": bool(prompt.points),
        "boxes": bool(prompt.boxes),
        "mask": prompt.mask is not None,
        "logits": prompt.logits is not None,
        "text": bool(prompt.text),
    }
    return {kind for kind, given in there.items() if given} or {"none"}
