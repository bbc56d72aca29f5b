"""What a worker does next: what is asked for at once, a stream's frame, or what can wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from maskbus.engine.catalogue import Catalogue
from maskbus.engine.local import Engine
from maskbus.engine.worker_handle import WorkerHandle
from maskbus.node.stream_table import StreamTable
from maskbus.scheduler import Deadlines, Job, ModelQueue, take_along


class Choice:
    """Choose among the queues of requests and the streams."""

    def __init__(
        self,
        catalogue: Catalogue,
        queues: Mapping[str, ModelQueue],
        streams: StreamTable,
        deadlines: Deadlines,
        engine: Callable[[], Engine],
    ) -> None:
        """Look on.

        Args:
            catalogue: The models.
            queues: What is asked of each.
            streams: Whose frames wait.
            deadlines: Where the jobs of frames are watched.
            engine: Returns where the workers live.
        """
        self._catalogue = catalogue
        self._queues = queues
        self._streams = streams
        self._deadlines = deadlines
        self._engine = engine

    def next(self, worker: WorkerHandle) -> Job | None:
        """Take out what a worker that is free is to do, or return None."""
        model = worker.spec.model
        queue = self._queues[model]

        def fits(job: Job) -> bool:
            return self.may_take(worker, job)

        job = queue.pop(fits, ("interactive",))
        if job is None:
            # Requests in the lane of streams, and the streams themselves, in the order of their coming.
            first, since = next(queue.lane("stream"), None), self._streams.waits_since(model)
            # A frame that stands there has been embedded along with another already.
            if first is not None and (since is None or first.is_frame or first.received <= since):
                job = queue.pop(fits, ("stream",))
            if job is None:
                job = self._frame(worker)
        return job or queue.pop(fits)

    def may_take(self, worker: WorkerHandle, job: Job) -> bool:
        """Leave a job to the worker that holds its image's embedding, as long as that one lives."""
        return job.pinned is None or not self._is_elsewhere(job.pinned, worker)

    def take_along(self, job: Job, worker: WorkerHandle) -> None:
        """Give a worker that embeds several images at once those of jobs that wait as well."""
        if worker.batch > 1 and job.message["op"] != "track" and self._catalogue.cards[job.model].cache_embeddings:
            workers = [one for one in self._engine().workers(job.model) if one.state in {"starting", "ready", "busy"}]
            queue = self._queues[job.model]
            take_along(job, queue, worker=worker.spec.number, batch=worker.batch, workers=len(workers))

    def _frame(self, worker: WorkerHandle) -> Job | None:
        """Return the job of a stream's frame; where the worker embeds several images at once, queue those of others."""
        model, now = worker.spec.model, time.monotonic()

        def fits(number: int | None) -> bool:
            return number is None or not self._is_elsewhere(number, worker)

        first = self._streams.next_job(model, fits, now)
        if first is None:
            return None
        self._deadlines.add(first)
        if worker.batch > 1 and first.message["op"] != "track":
            workers = [one for one in self._engine().workers(model) if one.state in {"ready", "busy"}]
            share = -(-(1 + self._streams.lined_up(model)) // max(1, len(workers)))
            for _ in range(min(worker.batch, share) - 1):
                other = self._streams.next_job(model, fits, now)
                if other is None:
                    break
                self._deadlines.add(other)
                self._queues[model].push(other)
        return first

    def _is_elsewhere(self, number: int, worker: WorkerHandle) -> bool:
        """Tell whether what worker `number` has is out of reach of `worker`, and the former lives."""
        return number != worker.spec.number and any(
            other.spec.number == number and other.state in {"ready", "busy"}
            for other in self._engine().workers(worker.spec.model)
        )
