"""What a worker does with a job: embed, segment, or find everything; and the reply that comes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
import numpy as np

from maskbus import everything, postprocess
from maskbus.interfaces import DecodeOptions, Handler, Masks, TextSettings, TrackerOptions
from maskbus.worker import outputs
from maskbus.worker.answer import MasksEncoder, check
from maskbus.worker.channel import Frame
from maskbus.worker.clock import Clock
from maskbus.worker.current_job import CurrentJob
from maskbus.worker.embedder import Embedded, Embedder
from maskbus.worker.mask_source import AnsweredMasks, FoundMasks, MaskSource, TrackedMasks
from maskbus.worker.pictures import Pictures, SlotReader, blank
from maskbus.worker.progress import ProgressReport
from maskbus.worker.prompt_reader import read
from maskbus.worker.result_slot import ResultSlot
from maskbus.worker.trackers import Step, Trackers
from maskbus_wire import frames, prompts, replies
from maskbus_wire.requests import PostProcessing

Message = dict[str, Any]
Tell = Callable[[Message, list[Frame]], None]
"""Sends a control message and frames to the node."""


class Operations:
    """Answer jobs with one handler."""

    def __init__(
        self,
        handler: Handler,
        embedder: Embedder,
        trackers: Trackers,
        pictures: Pictures,
        slots: SlotReader,
        tell: Tell,
    ) -> None:
        self._handler = handler
        self._embedder = embedder
        self._trackers = trackers
        self._pictures = pictures
        self._slots = slots
        self._tell = tell

    def answer(self, message: Message, job: CurrentJob) -> tuple[Message, list[Frame]]:
        """Return what the node is told of a job that is done, and the frames of its reply and its topics."""
        clock = Clock(message["received"])
        if message["op"] == "track":
            return self._track(message, job, clock)
        picture = message["image"]
        embedded = self._embedder.embed(message, job, clock)
        reply = {
            "model": message["model"],
            "width": picture["width"],
            "height": picture["height"],
            "image_id": picture.get("key") or None,
            "cached": embedded.cached,
            **message["meta"],
        }
        control: Message = {"type": "done", "job": job.number, "ahead": embedded.ahead, "objects": []}
        if message["op"] == "embed":
            nbytes = int(embedded.embedding.nbytes)
            done = replies.Embedded(**reply, timings=clock.timings(), embedding_bytes=nbytes)
            return control | {"outputs": [["", 1]]}, frames.encode(done)
        slot = None
        post = _post(message)
        kind: type[replies.Masks] = replies.Masks
        if message["op"] == "everything":
            kind = replies.FoundMasks
            masks, reply["notes"] = self._everything(message, embedded, post, job, clock)
        else:
            masks = self._segment(message, embedded, post, job, clock)
            slot = self._result_slot(message)
            reply["counts"] = _counts(message)
            reply["scores"] = masks.scores()
        with clock.stage("encode_ms"):
            encoder = MasksEncoder(masks, embedded.open_image, post)
        control["outputs"], payload = outputs.encode(kind, reply, encoder, message["outputs"], job.number, clock, slot)
        control["best"] = masks.best()
        self._pictures.confirm(picture)
        if slot is not None:
            control["result"] = [slot.used, slot.checksum() if "checksum" in picture else None]
        return control, payload

    def end_trackers(self, sessions: Sequence[str]) -> None:
        """Forget what is followed for streams that have ended."""
        for session in sessions:
            self._trackers.end(session)

    def _track(self, message: Message, job: CurrentJob, clock: Clock) -> tuple[Message, list[Frame]]:
        """Take the next frame of a stream, or change what is followed in the one that is there."""
        picture = message["image"]
        width, height = message["size"]
        image = None
        if picture is not None:
            self._pictures.check(picture)
            image, clock.decode_image_ms = self._pictures.open(picture, b"")
        objects = [
            (
                one["object_id"],
                read(
                    msgspec.convert(one["prompt"], prompts.Prompt, builtin_types=(bytes,)),
                    partial(self._blob, one),
                    height,
                    width,
                    f"objects[{i}].prompt",
                ),
            )
            for i, one in enumerate(message["objects"])
        ]
        job.check()
        options = TrackerOptions(logits=message["logits"], extra=message["options"])
        step = Step(message["session"], message["begin"], image, objects, message["remove"], options)
        with clock.stage("decode_ms"):
            tracked, notes = self._trackers.step(step, job)
        # A tracker does not tell how stable its masks are.
        unknown = np.zeros(len(tracked.object_ids), np.float32)
        masks = Masks(tracked.masks, tracked.predicted_iou, unknown, tracked.logits)
        check(masks, height, width, logits=message["logits"])
        if len(tracked.present) != len(tracked.object_ids):
            raise ValueError("The tracker does not tell of each object whether it is present.")
        post = _post(message)
        with clock.stage("encode_ms"):
            if post is not None:
                # An object stays where it is in the answer, however small.
                masks = postprocess.answered(masks, msgspec.structs.replace(post, min_area=0), job.check)
            encoder = MasksEncoder(TrackedMasks(tracked, masks), lambda: image or blank(height, width), post)
        reply = {
            "model": message["model"],
            "width": width,
            "height": height,
            "notes": [*message["notes"], *notes],
            "counts": _counts(message),
            **message["meta"],
        }
        layout, payload = outputs.encode(replies.Masks, reply, encoder, message["outputs"], job.number, clock, None)
        if picture is not None:
            self._pictures.confirm(picture)
        ids = [int(object_id) for object_id in tracked.object_ids]
        return {"type": "done", "job": job.number, "ahead": [], "objects": ids, "outputs": layout}, payload

    def _segment(
        self, message: Message, embedded: Embedded, post: PostProcessing | None, job: CurrentJob, clock: Clock
    ) -> MaskSource:
        height, width = message["image"]["height"], message["image"]["width"]
        prompt = read(
            msgspec.convert(message["prompt"], prompts.Prompt, builtin_types=(bytes,)),
            lambda index: self._blob(message, index),
            height,
            width,
        )
        logits = any("logits" in output["encodings"] for output in message["outputs"])
        text = TextSettings(**(message.get("text_options") or {}))
        options = DecodeOptions(message["multimask"], logits, text, message["options"])
        shown = embedded.shown
        with clock.stage("decode_ms"):
            if shown is not None:
                prompt = shown.prompt(prompt)
            masks = self._handler.decode(embedded.embedding, prompt, options, job)
            check(masks, *((height, width) if shown is None else (shown.rows, shown.columns)), logits=logits)
            if shown is not None:
                masks = shown.masks(masks)
        with clock.stage("encode_ms"):  # with boxes and areas
            return AnsweredMasks(masks if post is None else postprocess.answered(masks, post, job.check))

    def _everything(
        self, message: Message, embedded: Embedded, post: PostProcessing | None, job: CurrentJob, clock: Clock
    ) -> tuple[MaskSource, list[str]]:
        height, width = message["image"]["height"], message["image"]["width"]
        preset = everything.preset(message["preset"], self._handler.info.everything)
        settings = dataclasses.replace(preset, **message["settings"])
        report, shown = None, embedded.shown
        if message["progress"]:
            place = None if shown is None else shown.object
            send = partial(self._progress, job)
            report = ProgressReport(message["meta"]["id"], height, width, send, place)
            job.report = report
        with clock.stage("decode_ms"):
            found = everything.search(
                self._handler,
                embedded.open_shown(),
                settings if shown is None else shown.settings(settings),
                job,
                embedding=embedded.embedding,
            )
            objects = found.objects if shown is None else shown.found(found.objects, settings)
        if report is not None:
            report.close()
        with clock.stage("encode_ms"):
            if post is not None:
                objects = postprocess.found(objects, height, width, post, job.check)
        return FoundMasks(height, width, objects), found.notes

    def _progress(self, job: CurrentJob, reply: replies.Progress) -> None:
        self._tell({"type": "progress", "job": job.number}, frames.encode(reply))

    def _result_slot(self, message: Mapping[str, Any]) -> ResultSlot | None:
        place = message.get("result")
        if place is None:
            return None
        return ResultSlot(self._slots.writable(place["file"], place["nbytes"], place["offset"]), place["slot"])

    def _blob(self, message: Mapping[str, Any], index: int) -> memoryview:
        slot = message["blobs"]
        start, end = slot["ranges"][index]
        return self._slots.view(slot["slot"], end)[start:end]


def _post(message: Message) -> PostProcessing | None:
    """Return what is to be done to the masks of a job, if anything."""
    return msgspec.convert(message.get("post"), PostProcessing | None)


def _counts(message: Message) -> replies.StreamCounts | None:
    """Return what had become of a stream's frames when this one was handed over."""
    return replies.StreamCounts(**message["counts"]) if "counts" in message else None
