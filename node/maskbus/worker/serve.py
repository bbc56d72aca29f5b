"""The worker: load one model, then answer one job after another until the node is gone."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from maskbus.everything.shortage import is_shortage
from maskbus.interfaces import Handler, HandlerError, LoadContext
from maskbus.memory import resident_bytes
from maskbus.worker.channel import Channel, ChannelClosed, pack, unpack
from maskbus.worker.current_job import CurrentJob, Inbox
from maskbus.worker.embedder import Embedder
from maskbus.worker.embedding_cache import EmbeddingCache
from maskbus.worker.explain import explain
from maskbus.worker.operations import Operations
from maskbus.worker.pictures import Pictures, SlotReader
from maskbus.worker.trackers import Trackers

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
    except Exception as error:
        code, message = "out_of_memory", "The model does not fit into memory."
        if not is_shortage(error):
            log.exception("The model %s could not be loaded.", hello["model"])
            code, message = "model_unavailable", f"The model could not be loaded: {type(error).__name__}: {error}"
        channel.send([pack({"type": "failed", "code": code, "message": message})])
    else:
        channel.send([pack({"type": "ready", "batch": handler.batch, "weights": handler.weights_digest})])
        return handler
    return None


class _Worker:
    def __init__(self, channel: Channel, handler: Handler, hello: Mapping[str, Any]) -> None:
        self._channel = channel
        self._inbox = Inbox(channel)
        self._slots = SlotReader(Path(hello["slots"]))
        self._cache = EmbeddingCache(hello["embedding_bytes"], hello["embedding_ttl_s"])
        pictures = Pictures(self._slots, hello["max_pixels"])
        embedder = Embedder(handler, pictures, self._cache)
        self._trackers = Trackers(handler, hello["tracker_bytes"])
        self._operations = Operations(
            handler,
            embedder,
            self._trackers,
            pictures,
            self._slots,
            lambda control, payload: channel.send([pack(control), *payload]),
        )

    def run(self) -> None:
        """Answer jobs until the node says stop."""
        try:
            self._answer_all()
        finally:
            self._trackers.close()

    def _answer_all(self) -> None:
        swept = time.monotonic()
        while True:
            try:
                message = self._inbox.next(self._cache.next_sweep())
            except TimeoutError:
                self._cache.sweep()
                continue
            if message["type"] == "stop":
                return
            if message["type"] == "end_trackers":
                self._operations.end_trackers(message["sessions"])
                continue
            self._work(message)
            if time.monotonic() > swept + _SWEEP:
                self._slots.forget_removed()
                swept = time.monotonic()

    def beat(self, stop: threading.Event, period: float, orphaned: Callable[[], None]) -> None:
        """Send signs of life. When nobody takes them any more the node is dead, and so is this process's purpose."""
        cache = self._cache
        while True:
            state = {
                "type": "beat",
                "rss": resident_bytes(),
                "cache": [cache.nbytes, len(cache), cache.hits, cache.misses, cache.evictions],
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
            control, payload = self._operations.answer(message, job)
        except ChannelClosed:  # found out by `job.check`: the node is gone, and that is nobody's fault here
            raise
        except Exception as error:
            code, text, path = explain(error)
            self._channel.send([pack({"type": "error", "job": number, "code": code, "message": text, "path": path})])
            if code == "out_of_memory":
                raise OutOfMemory from None
        else:
            self._channel.send([pack(control), *payload])
        finally:
            self._inbox.forget(number)
