"""Answers to the same question, given again without asking a model."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maskbus.engine.worker_handle import WorkerHandle
from maskbus.results import ResultStore, key_of
from maskbus.scheduler import Job
from maskbus_wire import frames
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Envelope
from maskbus_wire.replies import AnyReply, FoundMasks, Masks
from maskbus_wire.version import VERSION

log = logging.getLogger(__name__)

Frame = bytes | bytearray | memoryview


@dataclass(frozen=True)
class Kept:
    """An answer that was given before, as it is to be given now."""

    message: list[Frame]
    best: float | None
    """The largest `predicted_iou` of a mask that has a pixel; None where there is no such mask."""


class KeptAnswers:
    """Look for answers that are there, and keep those that come."""

    def __init__(self, store: ResultStore | None) -> None:
        self._store = store

    def look(self, job: Job, workers: Sequence[WorkerHandle], then: Callable[[Kept | None], None]) -> None:
        """Look for a job's answer. `then` is called once, now or later, on the loop; later the job may be answered."""
        self._name(job, workers)
        if self._store is None or not job.key or job.fresh:
            then(None)
            return
        self._store.lookup(job.key, lambda found: then(None if found is None else _given_again(found, job)))

    def keep(self, job: Job, worker: WorkerHandle, message: Sequence[Frame]) -> None:
        """Keep a job's answer, if it is to be kept."""
        self._name(job, [worker])
        if self._store is not None and job.key:
            self._store.put(job.key, message)

    def _name(self, job: Job, workers: Sequence[WorkerHandle]) -> None:
        """Set a job's key, if its answer may be kept and the model's weights are known."""
        if self._store is None or job.question is None:
            return
        weights = next((worker.weights for worker in workers if worker.weights is not None), None)
        # A worker that was started again since may have found other weights.
        if weights is not None and not (job.key and weights == job.question["weights"]):
            job.question = {**job.question, "weights": weights}
            try:
                job.key = key_of(job.question)
            except TypeError as error:  # an option that only this model understands
                log.debug("An answer cannot be kept: %s", error)
                job.question = None


def _given_again(found: Sequence[bytes], job: Job) -> Kept | None:
    """Return an answer as it goes to whoever asks now; None where what was kept is none."""
    try:
        reply = _read(found)
    except WireError as error:
        log.warning("A kept answer is damaged, and is left aside: %s", error)
        return None
    if reply.model != job.model:
        return None
    asked: Envelope = job.envelope
    changes: Mapping[str, Any] = {
        "maskbus": VERSION,
        "id": asked.id,
        "stamp": asked.stamp,
        "frame_id": asked.frame_id,
        "stream": asked.stream,
        "seq": asked.seq,
        "image_id": job.message["image"]["key"] or None,
        "cached": True,
        "reused": True,
        "tried": None,
        "timings": {"total_ms": (time.monotonic() - job.received) * 1e3},
    }
    best = max((mask.predicted_iou for mask in reply.masks if mask.area), default=None)
    return Kept([frames.amend(found[0], changes), *found[1:]], best)


def _read(found: Sequence[bytes]) -> Masks:
    reply: AnyReply = frames.decode_reply(frames.open_own(found))
    if not isinstance(reply, (Masks, FoundMasks)):
        raise WireError("unknown_operation", "It is no answer of a model.", "reply")
    return reply
