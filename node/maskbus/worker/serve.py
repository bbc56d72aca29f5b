"""The worker: load one model, then answer one job after another until the node is gone."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from maskbus.interfaces import DeadlinePassed, DecodeOptions, Handler, HandlerError, Image, LoadContext, Masks
from maskbus.memory import resident_bytes
from maskbus.worker.answer import MasksEncoder, check
from maskbus.worker.channel import Channel, ChannelClosed, Frame, pack, unpack
from maskbus.worker.clock import Clock
from maskbus.worker.current_job import CurrentJob, Inbox
from maskbus.worker.embedding_cache import EmbeddingCache
from maskbus.worker.pictures import Pictures, SlotReader
from maskbus.worker.prompt_reader import read
from maskbus.worker.result_slot import ResultSlot
from maskbus_wire import frames, prompts, replies
from maskbus_wire.errors import WireError

log = logging.getLogger(__name__)

_SWEEP = 1.0
"""Seconds between two looks for slots that the node has removed."""

HandlerFinder = Callable[[str], type[Handler]]


class OutOfMemory(Exception):
    """Raised through `serve` once the requester has been told: the process is to be replaced."""


def serve(channel: Channel, find_handler: HandlerFinder, orphaned: Callable[[], None]) -> None:
    """Answer jobs from `channel` until it closes or says stop.

    Args:
        channel: The line to the node. Its first message says which model to load.
        find_handler: Returns the handler class that the message names.
        orphaned: Called from the heartbeat's thread when the node is gone while a job may still run.

    Raises:
        OutOfMemory: when a job ran out of memory. What libraries do after that is anybody's guess.
    """
    try:
        hello = unpack(channel.receive()[0])
        handler = _load(channel, hello, find_handler)
        if handler is None:
            return
        worker = _Worker(channel, handler, hello)
        beats = threading.Event()
        pulse = threading.Thread(
            target=worker.beat, args=(beats, hello["heartbeat_s"], orphaned), name="heartbeat", daemon=True
        )
        pulse.start()
        try:
            worker.run()
        finally:
            beats.set()
            handler.close()
            pulse.join()
    except ChannelClosed:
        pass


def _load(channel: Channel, hello: Mapping[str, Any], find_handler: HandlerFinder) -> Handler | None:
    context = LoadContext(
        model=hello["model"],
        device=hello["device"],
        threads=hello["threads"],
        weights_dir=Path(hello["weights_dir"]),
        options=hello["options"],
    )
    try:
        handler = find_handler(hello["handler"])(context)
    except HandlerError as error:
        channel.send([pack({"type": "failed", "code": error.code, "message": str(error)})])
    except MemoryError:
        channel.send(
            [pack({"type": "failed", "code": "out_of_memory", "message": "The model does not fit into memory."})]
        )
    except Exception as error:
        log.exception("The model %s could not be loaded.", hello["model"])
        message = f"The model could not be loaded: {type(error).__name__}: {error}"
        channel.send([pack({"type": "failed", "code": "model_unavailable", "message": message})])
    else:
        channel.send([pack({"type": "ready"})])
        return handler
    return None


class _Worker:
    def __init__(self, channel: Channel, handler: Handler, hello: Mapping[str, Any]) -> None:
        self._channel = channel
        self._handler = handler
        self._inbox = Inbox(channel)
        self._slots = SlotReader(Path(hello["slots"]))
        self._pictures = Pictures(self._slots, hello["max_pixels"])
        self._cache = EmbeddingCache(hello["embedding_bytes"])

    def run(self) -> None:
        swept = time.monotonic()
        while True:
            message = self._inbox.next()
            if message["type"] == "stop":
                return
            self._work(message)
            if time.monotonic() > swept + _SWEEP:
                self._slots.forget_removed()
                swept = time.monotonic()

    def beat(self, stop: threading.Event, period: float, orphaned: Callable[[], None]) -> None:
        """Send signs of life. When nobody takes them any more the node is dead, and so is this process's purpose."""
        while True:
            state = {
                "type": "beat",
                "rss": resident_bytes(),
                "cache": [self._cache.nbytes, len(self._cache), self._cache.hits, self._cache.misses],
            }
            try:
                self._channel.send([pack(state)])
            except ChannelClosed:
                if not stop.is_set():
                    orphaned()
                return
            if stop.wait(period):
                return

    def _work(self, message: dict[str, Any]) -> None:
        number = message["job"]
        job = CurrentJob(number, message["deadline"], self._inbox)
        try:
            control, payload = self._answer(message, job)
        except ChannelClosed:  # found out by `job.check`: the node is gone, and that is nobody's fault here
            raise
        except Exception as error:
            code, text, path = _explain(error)
            self._channel.send([pack({"type": "error", "job": number, "code": code, "message": text, "path": path})])
            if code == "out_of_memory":
                raise OutOfMemory from None
        else:
            self._channel.send([pack(control), *payload])
        finally:
            self._inbox.forget(number)

    def _answer(self, message: dict[str, Any], job: CurrentJob) -> tuple[dict[str, Any], list[Frame]]:
        clock = Clock(message["received"])
        picture = message["image"]
        keeps = self._handler.info.cache_embeddings
        self._pictures.check(picture)
        digest = self._pictures.digest(picture) if keeps else b""
        opened: list[Image] = []

        def open_image() -> Image:
            if not opened:
                image, clock.decode_image_ms = self._pictures.open(picture, digest)
                opened.append(image)
            return opened[0]

        embedding = self._cache.get(digest) if keeps else None
        cached = embedding is not None
        if job.remaining() <= 0:
            raise DeadlinePassed("The deadline passed before the worker could begin.")
        if embedding is None:
            image = open_image()
            with clock.stage("embed_ms"):
                embedding = self._handler.embed([image], job)[0]
            self._pictures.confirm(picture)  # before anything of it is kept
            if keeps:
                self._cache.put(digest, embedding)
                job.check()
        answer = {
            "model": message["model"],
            "width": picture["width"],
            "height": picture["height"],
            "image_id": picture.get("key") or None,
            "cached": cached,
            **message["meta"],
        }
        if message["op"] == "embed":
            done = replies.Embedded(**answer, timings=clock.timings(), embedding_bytes=int(embedding.nbytes))
            return {"type": "done", "job": job.number, "outputs": [["", 1]]}, [frames.encode(done)[0]]

        height, width = picture["height"], picture["width"]
        prompt = read(
            msgspec.convert(message["prompt"], prompts.Prompt, builtin_types=(bytes,)),
            lambda index: self._blob(message, index),
            height,
            width,
        )
        outputs = message["outputs"]
        wants_logits = any("logits" in output["encodings"] for output in outputs)
        options = DecodeOptions(multimask=message["multimask"], logits=wants_logits, extra=message["options"])
        with clock.stage("decode_ms"):
            masks = self._handler.decode(embedding, prompt, options, job)
        check(masks, height, width, logits=wants_logits)
        slot = self._result_slot(message)
        control, payload = self._encode(masks, open_image, answer, outputs, job.number, clock, slot)
        self._pictures.confirm(picture)
        if slot is not None:
            control["result"] = [slot.used, slot.checksum() if "checksum" in picture else None]
        return control, payload

    def _encode(
        self,
        masks: Masks,
        open_image: Callable[[], Image],
        answer: dict[str, Any],
        outputs: list[dict[str, Any]],
        number: int,
        clock: Clock,
        slot: ResultSlot | None,
    ) -> tuple[dict[str, Any], list[Frame]]:
        with clock.stage("encode_ms"):  # boxes and areas first
            encoder = MasksEncoder(masks, open_image)
        layout: list[list[Any]] = []
        payload: list[Frame] = []
        for output in outputs:
            with clock.stage("encode_ms"):
                fields, attachments = encoder.fields(
                    output["encodings"], inline=output["inline"], slot=None if output["topic"] else slot
                )
            topic = output["topic"]
            if topic:
                # Subscribers are not the requester: what only it may use stays out.
                fields |= {"topic": output["asked"], "published": number, "id": "", "image_id": None}
            reply = replies.Masks(**{**answer, **fields}, timings=clock.timings())
            payload += frames.encode(reply, attachments)
            layout.append([topic, 1 + len(attachments)])
        return {"type": "done", "job": number, "outputs": layout}, payload

    def _result_slot(self, message: Mapping[str, Any]) -> ResultSlot | None:
        place = message.get("result")
        if place is None:
            return None
        return ResultSlot(self._slots.writable(place["file"], place["nbytes"], place["offset"]), place["slot"])

    def _blob(self, message: Mapping[str, Any], index: int) -> memoryview:
        slot = message["blobs"]
        start, end = slot["ranges"][index]
        return self._slots.view(slot["slot"], end)[start:end]


def _explain(error: Exception) -> tuple[str, str, str]:
    """Return code, sentence and path of what went wrong; log what is our fault or the handler's."""
    if isinstance(error, WireError):
        return error.code, error.message, error.path
    if isinstance(error, HandlerError):
        return error.code, str(error), "prompt" if error.code in {"unsupported_prompt", "invalid_value"} else ""
    name, text = type(error).__name__, str(error)
    if isinstance(error, MemoryError) or name == "OutOfMemoryError" or (name == "error" and "memory" in text.lower()):
        return "out_of_memory", "The worker ran out of memory on this request.", ""
    log.error("The handler failed.", exc_info=error)
    return "internal", "The model failed on this request; the node's log has more.", ""
