"""From a valid request to a job: is there such a model, is the image what it says it is, is there room?

Everything that can be refused is refused here, before anything is copied or queued.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from maskbus.config import Config
from maskbus.engine.catalogue import Card, Catalogue
from maskbus.node.image_intake import ImageIntake
from maskbus.node.image_store import ImageStore, KeptImage
from maskbus.node.leases import Leases
from maskbus.scheduler import Job, ModelQueue, QueueFull
from maskbus.worker.channel import pack
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Envelope
from maskbus_wire.image_checks import blob_bytes
from maskbus_wire.limits import Limits
from maskbus_wire.prompt_checks import check_inside
from maskbus_wire.prompts import Prompt
from maskbus_wire.requests import Everything, MaskWork, Segment, Work

Payload = bytes | memoryview


class Admission:
    """Make jobs of requests."""

    def __init__(
        self,
        config: Config,
        limits: Limits,
        catalogue: Catalogue,
        intake: ImageIntake,
        images: ImageStore,
        leases: Leases,
    ) -> None:
        self._config = config
        self._limits = limits
        self._catalogue = catalogue
        self._intake = intake
        self._images = images
        self._leases = leases
        self._number = 0

    def admit(
        self,
        request: Work,
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

    def _fill(self, job: Job, request: Work, attachments: Sequence[Payload]) -> None:
        picture, size, kept = self._intake.take(job, request, attachments)
        message: dict[str, Any] = {
            "type": "job",
            "job": job.number,
            "op": request.__struct_config__.tag,
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
        if isinstance(request, MaskWork):
            job.publish, job.encodings = request.publish, tuple(request.encodings)
            message["inline"] = request.inline
        if isinstance(request, Segment):
            self._segment(job, request, attachments, message, size)
        elif isinstance(request, Everything):
            message |= {
                "preset": request.preset,
                "settings": msgspec.to_builtins(request.settings),
                "progress": request.progress,
            }
        job.message = message
        if kept is not None and kept.image_id == picture["key"]:
            if self._catalogue.cards[job.model].cache_embeddings:
                job.pinned = kept.workers.get(job.model)
            job.on_success = self._remember(job.model, kept, new=request.image.image_id is None)

    def _segment(
        self,
        job: Job,
        request: Segment,
        attachments: Sequence[Payload],
        message: dict[str, Any],
        size: tuple[int, int],
    ) -> None:
        """Add what only `segment` has."""
        if request.result is not None:
            lease = self._leases.find(request.result.lease, "result.lease")
            job.result = lease.answer(request.result.index, request.result.generation)
            job.holds.append(job.result.drop)
            message["result"] = job.result.place
        check_inside(request.prompt, *size)
        prompt, message["blobs"] = self._prompt(job, request.prompt, attachments)
        message |= {"prompt": prompt, "multimask": request.multimask, "options": request.options}
        if request.options or request.prompt.mask or len(request.prompt.text) > 1:
            self._check_size(message, request)

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
                self._images.put(kept, time.monotonic())

        return remember

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
                payloads.append(blob_bytes(part, attachments, self._limits, f"prompt.{name}"))
            plain[name] = {key: plain[name][key] for key in ("encoding", "shape") if key in plain[name]}
            plain[name]["attachment"] = len(payloads) - 1
        if not payloads:
            return plain, {}
        slot = self._intake.room(sum(map(len, payloads)))
        job.holds.append(slot.release)
        slot.write(*payloads)
        ranges, start = [], 0
        for payload in payloads:
            ranges.append((start, start + len(payload)))
            start += len(payload)
        return plain, {"slot": slot.name, "ranges": ranges}


def _check_abilities(request: Work, card: Card) -> None:
    takes = ", ".join(sorted(card.prompts))
    if isinstance(request, Everything) and not card.finds_everything:
        raise WireError(
            "unsupported_prompt", f"{card.name} cannot find everything: it does not take points; it takes {takes}."
        )
    if not isinstance(request, Segment):
        return
    for kind in sorted(_kinds(request.prompt) - card.prompts):
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
