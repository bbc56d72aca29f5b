"""From a valid request to a job: is there such a model, is the image what it says it is, is there room?

Everything that can be refused is refused here, before anything is copied or queued.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import xxhash

from maskbus.config import Config, ModelConfig
from maskbus.engine.catalogue import Card, Catalogue
from maskbus.node.image_intake import ImageIntake, Once, Taken
from maskbus.node.image_store import ImageStore, KeptImage
from maskbus.node.leases import Leases
from maskbus.node.open_stream import Grab, OpenStream
from maskbus.scheduler import Job, ModelQueue, QueueFull
from maskbus.worker.channel import pack
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Envelope
from maskbus_wire.image_checks import blob_bytes
from maskbus_wire.limits import Limits
from maskbus_wire.prompt_checks import check_inside
from maskbus_wire.prompts import Prompt
from maskbus_wire.requests import Everything, MaskWork, PostProcessing, Segment, StreamUpdate, TrackedObject, Work

Payload = bytes | memoryview
_PLAIN = ModelConfig()


class Track(MaskWork, kw_only=True, omit_defaults=True, frozen=True, tag="track"):
    """A frame of a stream that tracks, as if it were a request of its own."""

    session: str
    """Name of the tracker."""
    begin: bool
    """Whether the tracker is to be made."""


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
        once: Once | None = None,
    ) -> Job:
        """Return the job of a checked request; its pixels are in shared memory, and it holds them.

        Args:
            request: It.
            envelope: That of its message.
            attachments: Those of its message.
            queues: What waits for each model.
            route: Where the reply goes.
            once: Where the image is, if another model has been asked about it.

        Raises:
            WireError: with the path of what is wrong. Nothing is held then.
        """
        card = self.card(self.model_of(request))
        check_abilities(request, card)
        self._check_room(queues[card.name])
        job = self._job(card, route, envelope, request.lane, time.monotonic(), request.deadline_ms)
        with _finishing(job):
            taken = self._fill(job, request, attachments, once=once)
            job.question = self._question(job, request, card)
        if once is not None and once.let_go is None:
            once.keep(job, taken)
        return job

    def model_of(self, request: Work) -> str:
        """Return the name of the model that is meant by a request; it may be that of a route, or of none."""
        if request.model:
            return request.model
        asks_by_text = isinstance(request, Segment) and bool(request.prompt.text)
        if asks_by_text and self._config.text_model in self._catalogue.cards:
            return self._config.text_model
        return self._config.default_model

    def admit_frame(self, request: MaskWork, grab: Grab, stream: OpenStream, received: float) -> Job:
        """Return the job of a stream's frame.

        Args:
            request: The frame, as if it were a request of its own.
            grab: The frame as it came.
            stream: Its stream.
            received: When it came, monotonic seconds.

        Raises:
            WireError: with the path of what is wrong. Nothing is held then.
        """
        card = self.card(request.model)
        job = self._job(card, grab.route, grab.envelope, request.lane, received, request.deadline_ms)
        job.stream, job.is_frame = stream, True
        with _finishing(job):
            self._fill(job, request, grab.attachments, grab.stowed)
            if isinstance(request, Track):
                size = job.message["image"]["width"], job.message["image"]["height"]
                objects = [(one.object, one.attachments) for one in stream.pending.values()]
                self._track(job, stream, objects, [one for one in stream.unwanted if one in stream.objects], size)
                job.message["begin"] = request.begin
            else:
                job.message["once"] = True
        return job

    def retrack(
        self,
        stream: OpenStream,
        request: StreamUpdate,
        envelope: Envelope,
        attachments: Sequence[Payload],
        route: Any,
    ) -> Job:
        """Return the job that adds, corrects and removes objects in the frame that a tracker has seen last.

        Raises:
            WireError: with the path of what is wrong. Nothing is held then.
        """
        settings = stream.settings
        job = self._job(
            self.card(settings.model), route, envelope, "interactive", time.monotonic(), settings.deadline_ms
        )
        encodings = settings.encodings if request.encodings is None else request.encodings
        job.stream, job.publish, job.encodings = stream, stream.topic, tuple(encodings)
        meta = {"id": "", "stream": stream.name}
        job.message = self._message(job, "track", None, meta) | {
            "inline": settings.inline,
            "begin": False,
            "post": self._post(job.model, settings.post),
        }
        with _finishing(job):
            objects = [(one, attachments) for one in request.objects]
            self._track(job, stream, objects, request.remove, stream.size)
        return job

    def card(self, name: str) -> Card:
        """Return the card of a model; the default one's for an empty name. WireError where it cannot run."""
        name = name or self._config.default_model
        card = self._catalogue.cards.get(name)
        if card is None:
            offered = ", ".join(sorted(self._catalogue.cards)) or "none"
            default = "default " if name == self._config.default_model else ""
            wanted = f"no {default}model {name[:64]!r}"
            raise WireError("unknown_model", f"There is {wanted} here; there is {offered}.", "model")
        if not card.ready:
            raise WireError("model_unavailable", card.missing, "model")
        return card

    def _job(
        self, card: Card, route: Any, envelope: Envelope, lane: str, received: float, deadline_ms: int | None
    ) -> Job:
        self._number += 1
        return Job(
            number=self._number,
            route=route,
            envelope=envelope,
            model=card.name,
            lane=lane,
            received=received,
            deadline=time.monotonic() + (deadline_ms or self._config.deadline_ms) / 1e3,
            own_deadline=deadline_ms is not None,
            message={},
        )

    @staticmethod
    def _check_room(queue: ModelQueue) -> None:
        try:
            queue.require_room()
        except QueueFull as full:
            raise WireError(
                "busy", f"{full.length} requests wait for this model already.", queue_length=full.length
            ) from None

    def _fill(
        self,
        job: Job,
        request: Work,
        attachments: Sequence[Payload],
        stowed: KeptImage | None = None,
        once: Once | None = None,
    ) -> Taken:
        if stowed is not None:
            picture, size, kept = taken = self._intake.take_stowed(job, stowed)
        else:
            before = None if once is None else once.again(job)
            picture, size, kept = taken = before or self._intake.take(job, request, attachments)
            card = self._catalogue.cards[job.model]
            if kept is not None and job.stream is None and card.cache_embeddings:
                picture["digest"] = self._intake.digest(kept)  # the worker needs it, too
        meta = {
            "id": request.id,
            "stamp": request.stamp,
            "frame_id": request.frame_id,
            "stream": request.stream,
            "seq": request.seq,
        }
        message = self._message(job, str(request.__struct_config__.tag), picture, meta)
        if isinstance(request, MaskWork):
            job.publish, job.encodings, job.fresh = request.publish, tuple(request.encodings), request.fresh
            message |= {
                "inline": request.inline,
                "max_side": request.max_side,
                "post": self._post(job.model, request.post),
            }
        if isinstance(request, Segment):
            self._segment(job, request, attachments, message, size)
        elif isinstance(request, Everything):
            message |= {
                "preset": request.preset,
                "settings": msgspec.to_builtins(request.settings),
                "progress": request.progress,
            }
        job.message = message
        if kept is not None and kept.image_id:
            if self._catalogue.cards[job.model].cache_embeddings:
                job.pinned = kept.workers.get(job.model)
            job.on_success = self._remember(job.model, kept, new=request.image.image_id is None)
        return taken

    def _post(self, model: str, asked: PostProcessing | None) -> dict[str, Any] | None:
        """Return what is done to masks: as asked, or else as the model is configured."""
        post = self._config.model.get(model, _PLAIN).post if asked is None else asked
        return None if post is None else msgspec.to_builtins(post)

    @staticmethod
    def _message(job: Job, op: str, picture: dict[str, Any] | None, meta: dict[str, Any]) -> dict[str, Any]:
        """Return what a worker is told of any job."""
        return {
            "type": "job",
            "job": job.number,
            "op": op,
            "model": job.model,
            "received": job.received,
            "deadline": job.deadline,
            "image": picture,
            "meta": meta,
        }

    def _track(
        self,
        job: Job,
        stream: OpenStream,
        objects: Sequence[tuple[TrackedObject, Sequence[Payload]]],
        remove: Sequence[int],
        size: tuple[int, int],
    ) -> None:
        """Add what only a step of a tracker has."""
        told = []
        for i, (one, attachments) in enumerate(objects):
            path = f"objects[{i}].prompt"
            check_inside(one.prompt, *size, path)
            prompt, blobs = self._prompt(job, one.prompt, attachments, path)
            told.append({"object_id": one.object_id, "prompt": prompt, "blobs": blobs})
        settings = stream.settings
        job.pinned = stream.worker
        job.message |= {
            "session": stream.session,
            "size": size,
            "objects": told,
            "remove": list(remove),
            "options": settings.options,
            "logits": "logits" in settings.encodings,
            "notes": [stream.lost] if stream.lost else [],
        }
        if told or settings.options:
            self._check_size(job.message, "objects" if told else "options")

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
        message |= {
            "prompt": prompt,
            "multimask": request.multimask,
            "text_options": None if request.text_options is None else msgspec.to_builtins(request.text_options),
            "options": request.options,
        }
        if request.options or request.prompt.mask or len(request.prompt.text) > 1:
            self._check_size(message, "options" if request.options else "prompt")

    def _check_size(self, message: dict[str, Any], path: str) -> None:
        size = len(pack(message))
        if size > self._limits.control_bytes:
            raise WireError("too_large", f"{path} and all else but the image take {size} bytes.", path)

    def _remember(self, model: str, kept: KeptImage, *, new: bool) -> Callable[[int | None], None]:
        """Return what is done once the job has succeeded. An image is kept only then: an error changes nothing."""

        def remember(worker: int | None) -> None:
            if worker is not None:
                kept.workers[model] = worker
            if new:
                self._images.put(kept, time.monotonic())

        return remember

    def _question(self, job: Job, request: Work, card: Card) -> Mapping[str, Any] | None:
        """Return what the answer depends on, all but the model's weights; None where it is not to be kept."""
        picture = job.message["image"]
        if not (isinstance(request, MaskWork) and card.cache_results and "digest" in picture):
            return None
        if request.publish is not None or job.result is not None or job.message.get("progress"):
            return None
        names = (
            "op",
            "inline",
            "max_side",
            "post",
            "prompt",
            "multimask",
            "text_options",
            "options",
            "preset",
            "settings",
        )
        message = job.message
        return {
            **{name: message[name] for name in names if name in message},
            "encodings": list(request.encodings),
            "blobs": message["blobs"].get("digests", []) if "blobs" in message else [],
            "image": picture["digest"],
            "model": card.name,
            "handler": [card.target, card.version],
            "configured": dict(card.options),
        }

    def _prompt(
        self, job: Job, prompt: Prompt, attachments: Sequence[Payload], path: str = "prompt"
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
                payloads.append(blob_bytes(part, attachments, self._limits, f"{path}.{name}"))
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
        digests = [xxhash.xxh3_128_digest(payload) for payload in payloads]
        return plain, {"slot": slot.name, "ranges": ranges, "digests": digests}


def check_abilities(request: Work, card: Card) -> None:
    """Check that a model takes such a prompt and has such an answer. WireError where not."""
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
    check_encodings(request.encodings, card)


def check_encodings(encodings: Sequence[str], card: Card) -> None:
    """Check that a model can answer in such encodings. WireError where not."""
    if "logits" in encodings and not card.has_logits:
        raise WireError("unknown_encoding", f"{card.name} has no logits.", f"encodings[{encodings.index('logits')}]")


@contextlib.contextmanager
def _finishing(job: Job) -> Iterator[None]:
    """Give back what a job holds if it comes to nothing."""
    try:
        yield
    except BaseException:
        job.finish()
        raise


def _kinds(prompt: Prompt) -> set[str]:
    there = {
        "points": bool(prompt.points),
        "boxes": bool(prompt.boxes),
        "mask": prompt.mask is not None,
        "logits": prompt.logits is not None,
        "text": bool(prompt.text),
    }
    return {kind for kind, given in there.items() if given} or {"none"}
