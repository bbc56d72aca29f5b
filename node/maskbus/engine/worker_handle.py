"""The node's side of one worker: what state it is in, and when something must happen to it."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from maskbus.engine.launch import Body, Launcher, WorkerSpec
from maskbus.scheduler import Job
from maskbus.worker.channel import Channel, ChannelClosed, Frame, pack, unpack
from maskbus_wire.replies import WorkerStats

log = logging.getLogger(__name__)

_LAST_BREATH = 0.02
"""Seconds the bus loop gives a process that has closed its line to end, so that the message can say how it did."""
_NO_BEAT: Mapping[str, Any] = {"rss": 0, "cache": [0, 0, 0, 0, 0]}


class WorkerEvents(Protocol):
    """Who wants to know what workers do."""

    def opened(self, handle: WorkerHandle) -> None:
        """A line to a worker is there: have its descriptor polled."""

    def closing(self, handle: WorkerHandle) -> None:
        """The line is about to be closed: stop polling its descriptor."""

    def done(self, handle: WorkerHandle, job: Job, control: Mapping[str, Any], frames: list[Frame]) -> None:
        """A job has an answer."""

    def failed(self, handle: WorkerHandle, job: Job, code: str, message: str, path: str) -> None:
        """A job has none, and why."""

    def free(self, handle: WorkerHandle) -> None:
        """The worker can take a job."""

    def progress(self, handle: WorkerHandle, job: Job, frames: list[Frame]) -> None:
        """A job has come a step further; the frames are for its requester."""

    def unavailable(self, handle: WorkerHandle) -> None:
        """The model could not be loaded; `handle.failure` says why."""


@dataclass(frozen=True)
class Patience:
    """How long a worker may take for what, in seconds."""

    heartbeat: float
    load: float
    grace: float
    backoff: float
    backoff_most: float


class WorkerHandle:
    """Start a worker, hand it one job at a time, notice when it dies or hangs, and start it again."""

    def __init__(
        self,
        spec: WorkerSpec,
        launcher: Launcher,
        hello: Mapping[str, Any],
        patience: Patience,
        events: WorkerEvents,
        plan_threads: Callable[[], int] = lambda: 0,
    ) -> None:
        """Describe a worker; `start` starts it.

        Args:
            spec: What it is to run.
            launcher: What starts it.
            hello: What every worker is told first.
            patience: How long it may take for what.
            events: Who wants to know what it does.
            plan_threads: Returns its CPU threads whenever it starts, where `spec` leaves them open.
        """
        self.spec = spec
        self.state = "stopped"
        self.job: Job | None = None
        self.failure = ""
        """Why the model cannot be loaded; empty while that is not known."""
        self.failure_code = "model_unavailable"
        self.batch = 1
        """How many images it embeds at once, as it said when it was ready."""
        self.weights: str | None = None
        """Digest of its model's weights, as it said when it was ready; None before."""
        self._launcher = launcher
        self._hello = {**hello, "model": spec.model, "handler": spec.target, "device": spec.device}
        self._hello["options"] = dict(spec.options)
        self._plan_threads = plan_threads
        self._patience = patience
        self._events = events
        self._channel: Channel | None = None
        self._body: Body | None = None
        self._ended: list[Body] = []
        self._since = 0.0
        self._heard = 0.0
        self._wait = patience.backoff
        self._restarts = 0
        self._last_error = ""
        self._over: list[str] = []
        self._beat: Mapping[str, Any] = _NO_BEAT

    def fileno(self) -> int:
        """Return the descriptor to poll, or -1."""
        return self._channel.fileno() if self._channel else -1

    def start(self, now: float) -> None:
        """Start the worker if it is not running."""
        if self.state not in {"stopped", "backing-off"}:
            return
        spec = replace(self.spec, threads=self.spec.threads or self._plan_threads())
        try:
            connection, self._body = self._launcher.start(spec)
        except OSError as error:
            self._back_off(now, f"The worker could not be started: {error.strerror}.", loading=True)
            return
        self.state, self._since, self._heard = "starting", now, now
        self._channel = Channel(connection)
        self._events.opened(self)
        try:
            self._channel.send_now([pack({**self._hello, "threads": spec.threads})])
        except ChannelClosed:
            self._lost(now)

    def submit(self, job: Job, now: float) -> None:
        """Give a ready worker its next job."""
        assert self.state == "ready"
        assert self._channel is not None
        self.job, self.state, self._since = job, "busy", now
        try:
            if not self._channel.send_now([pack(job.message)]):
                self._end(now, "It stopped reading.")
        except ChannelClosed:
            self._lost(now)

    def cancel(self, job: Job, now: float) -> None:
        """Tell the worker that nobody waits for `job` any more. It may or may not look up."""
        if self.job is job:
            self._tell({"type": "cancel", "job": job.number}, now)

    def end_tracker(self, session: str) -> None:
        """Have the worker forget what it follows for a stream that has ended, as soon as it has time.

        Many streams may end at once, and the line takes only so many messages while the worker is at a job.
        """
        if self.state in {"ready", "busy"}:
            self._over.append(session)

    def read(self, now: float) -> None:
        """Take in what the worker has sent."""
        if self._channel is None:
            return
        try:
            for message in self._channel.poll():
                if self._channel is not None:  # else it has been ended: nothing it said later counts
                    self._take(message, now)
        except ChannelClosed:
            self._lost(now)

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._ended = [body for body in self._ended if body.ended() is None]
        if self.state == "backing-off" and now >= self._since:
            self._restarts += 1
            self.start(now)
        elif self.state == "starting" and now > self._since + self._patience.load:
            self._end(now, f"It did not load its model within {self._patience.load:g} s.")
        elif self.state in {"ready", "busy"} and now > self._heard + self._patience.heartbeat:
            self.read(now)  # perhaps it is the node that was held up
            if self.state in {"ready", "busy"} and now > self._heard + self._patience.heartbeat:
                self._end(now, f"It gave no sign of life for {self._patience.heartbeat:g} s.")
        elif self.job is not None and now > self.job.deadline + self._patience.grace:
            self._end(now, "It hung past the deadline.")
        self._end_trackers(now)

    def next_event(self) -> float | None:
        """Return when `tick` is due next, monotonic seconds."""
        if self.state == "backing-off":
            return self._since
        if self.state == "starting":
            return self._since + self._patience.load
        if self.state in {"ready", "busy"}:
            due = self._heard + self._patience.heartbeat
            return min(due, self.job.deadline + self._patience.grace) if self.job else due
        return None

    def stop(self) -> None:
        """Ask the worker to end. `reap` sees to it that it does."""
        if self._channel is not None:
            with contextlib.suppress(ChannelClosed):
                self._channel.send_now([pack({"type": "stop"})])
            self._close()
        self.state = "stopped"

    def reap(self, until: float) -> None:
        """Wait until `until` (monotonic seconds) for processes that were told to end, then end them by force."""
        for body in self._ended:
            if not body.wait(max(0.0, until - time.monotonic())):
                body.kill()
                body.wait(1.0)
        self._ended = []

    def stats(self) -> WorkerStats:
        """Describe the worker for the operation `stats`."""
        nbytes, entries, hits, misses, evictions = self._beat["cache"]
        return WorkerStats(
            model=self.spec.model,
            device=self.spec.device,
            state=self.state,
            pid=self._body.pid if self._body else 0,
            restarts=self._restarts,
            rss_bytes=self._beat["rss"],
            cache_bytes=nbytes,
            cache_entries=entries,
            cache_hits=hits,
            cache_misses=misses,
            cache_evictions=evictions,
            last_error=self._last_error,
        )

    def _take(self, frames: list[Frame], now: float) -> None:
        self._heard = now
        message = unpack(frames[0])
        kind = message["type"]
        if kind == "beat":
            self._beat = message
        elif kind == "ready":
            log.info("The model %s is ready on %s.", self.spec.model, self.spec.device)
            self.state, self.failure, self.batch = "ready", "", message["batch"]
            self.weights = message.get("weights", "")
            self._events.free(self)
        elif kind == "failed":
            self._end(now, message["message"], code=message["code"], quietly=True)
        elif self.job is None or message["job"] != self.job.number:
            return
        elif kind == "progress":
            self._events.progress(self, self.job, frames[1:])
        else:
            self._finish(message, frames[1:], now)

    def _finish(self, message: Mapping[str, Any], frames: list[Frame], now: float) -> None:
        assert self.job is not None
        job, self.job = self.job, None
        if message["type"] == "error" and message["code"] == "out_of_memory":
            self._end(now, "It ran out of memory.")  # it is about to exit: nothing more must be given to it
            self._events.failed(self, job, message["code"], message["message"], message["path"])
            return
        self.state = "ready"
        if message["type"] == "done":
            self._wait = self._patience.backoff
            self._events.done(self, job, message, frames)
        else:
            self._events.failed(self, job, message["code"], message["message"], message["path"])
        self._end_trackers(now)
        self._events.free(self)

    def _end_trackers(self, now: float) -> None:
        if self._over and self.state == "ready":
            over, self._over = self._over, []
            self._tell({"type": "end_trackers", "sessions": over}, now)

    def _tell(self, message: Mapping[str, Any], now: float) -> None:
        if self._channel is None:
            return
        try:
            if not self._channel.send_now([pack(dict(message))]):
                self._end(now, "It stopped reading.")
        except ChannelClosed:
            self._lost(now)

    def _lost(self, now: float) -> None:
        """The line is closed: the process has ended, or is about to."""
        body = self._body
        how = None
        if body is not None:
            body.wait(_LAST_BREATH)
            how = body.ended()
        self._end(now, f"The worker process {how or 'closed its line'}.")

    def _end(self, now: float, reason: str, *, code: str = "model_unavailable", quietly: bool = False) -> None:
        """End the process, answer its job, and plan its return."""
        loading = self.state == "starting"
        self.failure_code = code
        (log.info if quietly else log.warning)("Worker of %s on %s: %s", self.spec.model, self.spec.device, reason)
        self._close()
        for body in self._ended:
            body.kill()
        job, self.job = self.job, None
        self._back_off(now, reason, loading=loading)
        if job is not None:
            self._events.failed(self, job, "worker_died", f"{reason} It is being restarted.", "")
        if loading:
            self._events.unavailable(self)

    def _back_off(self, now: float, reason: str, *, loading: bool) -> None:
        self._last_error = reason
        self.failure = reason if loading else ""
        self.state, self._since = "backing-off", now + self._wait
        self._wait = min(2 * self._wait, self._patience.backoff_most)
        self._beat = _NO_BEAT
        self._over = []

    def _close(self) -> None:
        if self._channel is not None:
            self._events.closing(self)
            self._channel.close()
            self._channel = None
        if self._body is not None:
            self._ended.append(self._body)
            self._body = None
