"""Answers to the same question, given again without asking a model."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maskbus.engine.worker_handle import WorkerHandle
from maskbus.node import own_header
from maskbus.results import ResultStore, key_of
from maskbus.scheduler import Job
from maskbus_wire.frames import Envelope
from maskbus_wire.version import VERSION

log = logging.getLogger(__name__)

Frame = bytes | bytearray | memoryview
_ANSWERS = ("segment", "everything")


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
        plain = own_header.opened(found[0])
    except ValueError as error:
        log.warning("A kept answer is damaged, and is left aside: %s", error)
        return None
    if plain.get("reply") not in _ANSWERS or plain.get("model") != job.model:
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
    best = max((mask["predicted_iou"] for mask in plain["masks"] if mask["area"]), default=None)
    return Kept([own_header.changed(plain, changes), *found[1:]], best)
