"""The middle of the node: requests in, replies out, and every request answered once. No socket here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from maskbus.config import Config
from maskbus.engine.arena import Arena
from maskbus.engine.catalogue import Catalogue
from maskbus.engine.local import Engine
from maskbus.engine.shared_file import SharedFile
from maskbus.engine.worker_handle import WorkerHandle
from maskbus.node.admission import Admission
from maskbus.node.choice import Choice
from maskbus.node.describe import limits_of
from maskbus.node.image_intake import ImageIntake
from maskbus.node.image_store import ImageStore
from maskbus.node.inquiries import Inquiries
from maskbus.node.kept_answers import Kept, KeptAnswers
from maskbus.node.leases import Leases
from maskbus.node.open_stream import OpenStream
from maskbus.node.outputs import outputs
from maskbus.node.publisher import Publisher
from maskbus.node.routes import Routes
from maskbus.node.stream_table import StreamTable
from maskbus.node.tally import Tally
from maskbus.node.trials import Answered, Trials, told
from maskbus.results import ResultStore
from maskbus.scheduler import GOES_ON, Deadlines, Job, ModelQueue, QueueFull, leave_the_rest
from maskbus_wire import checks, frames, replies, requests
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Envelope

log = logging.getLogger(__name__)

Frame = bytes | bytearray | memoryview
Sender = Callable[[Any, Sequence[Frame]], bool]
"""Sends frames along a route; tells whether they could be handed over."""
Topics = Callable[[Sequence[Frame]], None]
"""Publishes frames, the topic first."""
Aside = Callable[[Callable[[], SharedFile], Callable[["SharedFile | Exception"], None]], None]
"""Does the first outside the loop, and then the second on it, with what came of the first."""


class Broker:
    """Know every request between its receipt and its reply."""

    def __init__(
        self,
        config: Config,
        catalogue: Catalogue,
        arena: Arena,
        leases: Leases,
        publisher: Publisher,
        send: Sender,
        publish: Topics,
        aside: Aside,
        store: ResultStore | None = None,
    ) -> None:
        self._config = config
        self._limits = limits_of(config)
        self._catalogue = catalogue
        self._arena = arena
        self._leases = leases
        self._aside = aside
        self._images = ImageStore(config.kept_bytes, config.kept_ttl_s)
        self._publisher = publisher
        self._send = send
        self._publish = publish
        self._intake = ImageIntake(self._limits, arena, self._images, leases)
        self._admission = Admission(config, self._limits, catalogue, self._intake, self._images, leases)
        self._streams = StreamTable(
            config,
            self._limits,
            self._admission,
            self._intake,
            leases,
            publisher,
            self._reply,
            publish,
            self._take_back,
            lambda model, session: self.engine.end_tracker(model, session),
        )
        self._queues = {name: ModelQueue(config.queue_length) for name in catalogue.cards}
        self._tallies: dict[str, Tally] = {}
        self._deadlines = Deadlines()
        self._choice = Choice(catalogue, self._queues, self._streams, self._deadlines, lambda: self.engine)
        self._routes = Routes(config, catalogue.cards)
        self._trials = Trials(
            self._routes,
            self._admission,
            self._queues,
            self._start,
            self._deliver,
            self._refuse,
            lambda: self._stopping,
        )
        self._store = store
        self._kept = KeptAnswers(store)
        self._looking: dict[int, Job] = {}
        """Jobs whose answer may be there already."""
        self._running: dict[int, Job] = {}
        self._engine: Engine | None = None
        self._stopping = False
        self.about = Inquiries(
            config,
            catalogue,
            self._limits,
            self._routes,
            self._images,
            arena,
            leases,
            publisher,
            store,
            self._queues,
            self._running,
            self._tallies,
            lambda: self.engine,
        )
        """What this node tells of itself."""

    @property
    def engine(self) -> Engine:
        """Where the workers live."""
        assert self._engine is not None
        return self._engine

    def use(self, engine: Engine) -> None:
        """Set the engine; it needs the broker as its listener, so it comes second."""
        self._engine = engine

    # -- what comes from the requesters --------------------------------------------------------------------------------

    def receive(
        self,
        route: Any,
        message: Sequence[bytes | memoryview],
        is_local: Callable[[], bool] = lambda: True,
        listens: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take one message, without its delimiter, and answer it now or later.

        Args:
            route: Where its reply goes.
            message: Its frames.
            is_local: Tells whether the peer is on this machine.
            listens: Tells whether the peer can be told what it has not asked for.
        """
        self.about.received += 1
        envelope = Envelope()
        model = stream = ""
        try:
            plain, envelope = frames.open_header(message, self._limits)
            stream = (envelope.stream or "") if plain.get("op") == "stream.frame" else ""
            request = frames.decode_request(plain)
            checks.check_request(request, len(message) - 1, self._limits)
            stream = ""  # what it is a frame of matters only as long as it may be wrong
            if isinstance(request, requests.Work):
                model = self._admission.model_of(request)
                self._admit(request, envelope, message[1:], route)
            elif isinstance(request, requests.StreamFrame):
                self._frame(request, envelope, message[1:], route, listens)
            elif isinstance(request, requests.StreamUpdate):
                self._update(request, envelope, message[1:], route)
            elif isinstance(request, requests.StreamOpen):
                self._open(request, message[1:], route)
            elif isinstance(request, requests.Lease):
                self._lease(request, envelope, route, is_local)
            else:
                self._reply(route, frames.encode(self._at_once(request, route)))
        except WireError as error:
            self.about.rejected += 1
            if model in self._catalogue.cards:
                self._tally(model).error(error.code)
            if stream:
                self._streams.refused(stream, error, route if listens() else None, time.monotonic())
            self._refuse(route, envelope, error)

    def malformed(self, route: Any, sentence: str) -> None:
        """Answer a message whose frames are wrong."""
        self.about.received += 1
        self.about.rejected += 1
        self._refuse(route, Envelope(), WireError("malformed", sentence))

    # -- what comes from the clock -------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Answer what has run out of time, and let the engine do what is due."""
        for job in self._deadlines.passed(now):
            waiting = self._queues[job.model].remove(job)
            sentence = "while the request waited" if waiting else "while the model worked"
            if waiting and all(worker.state == "starting" for worker in self.engine.workers(job.model)):
                sentence = "while the model was being loaded, which takes longest at its first start"
            if waiting:
                job.finish()
            self._fail(job, "deadline_exceeded", f"The deadline passed {sentence}.")
            if not waiting:
                self.engine.cancel(job, now)
            if job.is_frame:  # another worker may have time for the next one
                self._share_out(job.model)
        if self._store is not None:
            self._store.tick(now)
        self._leases.tick(now)
        self._images.tick(now)
        for model in self._streams.tick(now):
            self._share_out(model)
        self.engine.tick(now)

    def next_event(self) -> float | None:
        """Return when `tick` is due next, monotonic seconds."""
        parts = (
            self._deadlines.next(),
            self._leases.next_event(),
            self._images.next_event(),
            self._streams.next_event(),
            None if self._store is None else self._store.next_event(),
            self.engine.next_event(),
        )
        return min((moment for moment in parts if moment is not None), default=None)

    # -- the end -------------------------------------------------------------------------------------------------------

    def begin_stop(self) -> None:
        """Take no new work and answer what waits; what runs may finish."""
        self._stopping = True
        self._streams.close_all()
        for job in [job for queue in self._queues.values() for job in queue.drain()] + list(self._looking.values()):
            job.finish()
            self._fail(job, "shutting_down", "The node is stopping.")

    @property
    def is_idle(self) -> bool:
        """Tell whether no request is with a worker."""
        return all(job.answered for job in self._running.values())

    def abandon(self) -> None:
        """Answer whatever still runs: the node cannot wait any longer."""
        for job in self._running.values():
            self._fail(job, "shutting_down", "The node stopped before the answer was there.")
            job.finish()
        self._running.clear()

    # -- what comes from the workers (WorkerEvents) --------------------------------------------------------------------

    def done(self, handle: WorkerHandle, job: Job, control: Mapping[str, Any], payload: list[Frame]) -> None:
        """Send a job's answer to its requester and its topics."""
        self._running.pop(job.number, None)
        left = leave_the_rest(job, control["ahead"])
        self._routes.succeeded(job)
        try:
            if job.answered:
                return
            answered = Answered(job, control, payload, handle.spec.number)
            if job.trial is not None and not self._trials.is_enough(answered):
                return
            self._kept.keep(job, handle, payload[: control["outputs"][0][1]])
            self._deliver(answered)
        finally:
            job.finish()
            if left:
                self._share_out(job.model)

    def failed(self, handle: WorkerHandle, job: Job, code: str, message: str, path: str) -> None:
        """Send a job's error to its requester."""
        self._running.pop(job.number, None)
        left = leave_the_rest(job, ())
        job.finish()
        if job.answered:  # it was late; why, is known only now
            self._routes.failed(job, code, time.monotonic())
        self._fail(job, code, message, path)
        if left or handle.state not in {"ready", "busy"}:
            self._share_out(handle.spec.model)

    def closing(self, handle: WorkerHandle) -> None:
        """Note that a worker ends, and all that it followed with it."""
        self._streams.lose(handle.spec.model, handle.spec.number)

    def progress(self, handle: WorkerHandle, job: Job, payload: list[Frame]) -> None:
        """Tell a requester how far its job is. Nothing is lost if it does not hear it: its answer says all."""
        if not job.answered:
            self._send(job.route, payload)

    def free(self, handle: WorkerHandle) -> None:
        """Give a worker its next job."""
        if handle.state != "ready" or self._stopping:
            return
        job = self._choice.next(handle)
        if job is None:
            return
        self._tally(job.model)
        self._hand_over(job, handle)
        if self._streams.lined_up(job.model):  # it may have taken what only it can do: others have time for the rest
            for other in self.engine.workers(job.model):
                self.free(other)

    def unavailable(self, handle: WorkerHandle) -> None:
        """Answer those who wait for a model that cannot be loaded anywhere."""
        model = handle.spec.model
        if all(other.failure for other in self.engine.workers(model)):
            for job in self._queues[model].drain():
                job.finish()
                self._fail(job, *_failure(handle))
            self._streams.shut(model, WireError(*_failure(handle)), time.monotonic())
        else:
            self._share_out(model)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _admit(
        self,
        request: requests.Work,
        envelope: Envelope,
        attachments: Sequence[bytes | memoryview],
        route: Any,
    ) -> None:
        if self._stopping:
            raise WireError("shutting_down", "The node is stopping.")
        plan = self._routes.plan(request.model if request.route else self._admission.model_of(request), request)
        if plan is not None:
            deadline = time.monotonic() + (request.deadline_ms or self._config.deadline_ms) / 1e3
            self._trials.begin(plan, request, envelope, attachments, route, deadline)
            return
        self._start(self._admission.admit(request, envelope, attachments, self._queues, route))

    def _start(self, job: Job) -> None:
        """Begin with a job. WireError where its model cannot be loaded."""
        self.engine.start(job.model, time.monotonic())
        try:
            workers = self._require_loadable(job.model)
        except WireError:
            job.finish()
            raise
        self._tally(job.model)  # from here on `stats` knows of the model
        self._deadlines.add(job)
        self._looking[job.number] = job
        self._kept.look(job, workers, lambda kept: self._looked(job, kept))

    def _looked(self, job: Job, kept: Kept | None) -> None:
        """Go on with a job once it is known whether its answer was there already."""
        del self._looking[job.number]
        if job.answered:
            job.finish()
            return
        if kept is not None:
            self._routes.came_to_nothing(job)  # its model has not been asked
            control = {"outputs": [["", len(kept.message)]], "objects": [], "best": kept.best}
            answered = Answered(job, control, kept.message, None)
            if job.trial is None or self._trials.is_enough(answered):
                self._deliver(answered)
            job.finish()
            return
        workers = self.engine.workers(job.model)
        for worker in workers:
            if worker.state == "ready" and self._choice.may_take(worker, job):
                self._hand_over(job, worker)
                return
        try:
            self._queues[job.model].push(job)
        except QueueFull as full:  # others came while it was looked for
            job.finish()
            sentence = f"{full.length} requests wait for this model already."
            self._fail(job, "busy", sentence, queue_length=full.length)
        else:
            if all(worker.failure for worker in workers):
                self.unavailable(workers[0])

    def _deliver(self, answered: Answered) -> None:
        """Send a job's answer to its requester and its topics."""
        job, control, payload = answered.job, answered.control, answered.payload
        job.answered = True
        if job.on_success is not None:
            job.on_success(answered.worker)
        if job.result is not None:
            job.result.done(*control["result"])
        if job.trial is not None:
            payload = told(answered)
            self._trials.over(job.trial)
        job.finish()  # a requester that has its answer finds its shared memory free
        position, topics = 0, []
        for topic, count in control["outputs"]:
            part = payload[position : position + count]
            position += count
            if topic:
                self._publish([topic.encode(), *part])
                self._publisher.sent(topic, part, job.number)
                topics.append(topic)
            else:
                self._reply(job.route, part)
        if job.stream is not None:
            answer = self._streams.done(job, control["objects"], answered.worker or 0, time.monotonic())
            if answer is not None:
                self._reply(job.route, frames.encode(answer))
        elif job.publish and job.publish not in topics:
            part = payload[: control["outputs"][0][1]]
            message = self._publisher.unforeseen(job.publish, part, job.number)
            if message is None:
                self._publisher.remember(job.publish, part, job.number)
            else:
                self._publish(message)
                self._publisher.sent(job.publish, part, job.number)
        self._tally(job.model).success(job.received, time.monotonic())

    def _open(self, request: requests.StreamOpen, attachments: Sequence[bytes | memoryview], route: Any) -> None:
        if self._stopping:
            raise WireError("shutting_down", "The node is stopping.")
        now = time.monotonic()
        plan = self._routes.plan(request.model or ("" if request.prompt.text else self._config.default_model))
        if plan is None:
            opened = self._streams.open(request, attachments, now)
        else:
            opened = self._routes.first(plan, lambda model: self._open_with(model, request, attachments, now), now)
        self.engine.start(opened.model, now)
        self._reply(route, frames.encode(opened))

    def _open_with(
        self, model: str, request: requests.StreamOpen, attachments: Sequence[bytes | memoryview], now: float
    ) -> replies.StreamOpened:
        """Open a stream with one model of a route. WireError where that cannot be."""
        if model in self._catalogue.cards:
            self._require_loadable(model)
        return self._streams.open(replace(request, model=model), attachments, now)

    def _require_loadable(self, model: str) -> list[WorkerHandle]:
        """Return a model's workers. WireError where it could not be loaded by any of them."""
        workers = self.engine.workers(model)
        if all(worker.failure for worker in workers):
            raise WireError(*_failure(workers[0]))
        return workers

    def _frame(
        self,
        request: requests.StreamFrame,
        envelope: Envelope,
        attachments: Sequence[bytes | memoryview],
        route: Any,
        listens: Callable[[], bool],
    ) -> None:
        if self._stopping:
            raise WireError("shutting_down", "The node is stopping.")
        now = time.monotonic()
        hears = not request.ack or listens()
        model, taken = self._streams.frame(request, envelope, attachments, route, now, listens=hears)
        if taken is not None:
            self._reply(route, frames.encode(taken))
        workers = self.engine.workers(model)
        if all(worker.failure for worker in workers):
            self._streams.shut(model, WireError(*_failure(workers[0])), now)
        self._share_out(model)

    def _update(
        self,
        request: requests.StreamUpdate,
        envelope: Envelope,
        attachments: Sequence[bytes | memoryview],
        route: Any,
    ) -> None:
        changed = self._streams.update(request, envelope, attachments, route, time.monotonic())
        if isinstance(changed, replies.Reply):
            self._reply(route, frames.encode(changed))
            self._share_out(self._streams.find(changed.stream).settings.model)  # with another rate its turn may be now
            return
        self._deadlines.add(changed)
        self._queues[changed.model].push(changed)
        self._share_out(changed.model)

    def _take_back(self, stream: OpenStream) -> None:
        """Have nothing more done for a stream that has ended. Who was changing it is told; its frame is counted."""
        for job in [*self._queues[stream.settings.model], *self._running.values()]:
            if job.stream is not stream or job.answered:
                continue
            job.answered = True
            if not job.is_frame:
                code = "shutting_down" if self._stopping else "cancelled"
                self._refuse(job.route, job.envelope, WireError(code, "The stream has ended."))
            if self._queues[job.model].remove(job):
                job.finish()
            else:
                self.engine.cancel(job, time.monotonic())

    def _lease(self, request: requests.Lease, envelope: Envelope, route: Any, is_local: Callable[[], bool]) -> None:
        if self._stopping:
            raise WireError("shutting_down", "The node is stopping.")
        if not is_local():
            raise WireError("no_shared_memory", "Shared memory is for peers on the node's own machine.")
        make = self._leases.prepare(request.slots, request.slot_bytes, route)

        def granted(made: SharedFile | Exception) -> None:
            if isinstance(made, Exception):
                self._leases.give_up(request.slots, request.slot_bytes, route)
                if isinstance(made, OSError):
                    reason = made.strerror or "it is full"
                    error = WireError("busy", f"The system has no room for the lease: {reason}.")
                else:
                    log.error("A lease could not be made.", exc_info=made)
                    error = WireError("internal", "The lease could not be made; the node's log has more.")
                self._refuse(route, envelope, error)
                return
            lease = self._leases.grant(made, route, time.monotonic())
            header = made.header
            self._reply(
                route,
                frames.encode(
                    replies.Leased(
                        id=request.id,
                        lease=lease.name,
                        path=str(made.path),
                        bytes=header.file_bytes,
                        generation=header.generation,
                    )
                ),
            )

        self._aside(make, granted)

    def _share_out(self, model: str) -> None:
        """Offer what waits to all workers: jobs that were left to one that ended may go to any other now."""
        for worker in self.engine.workers(model):
            self.free(worker)

    def _hand_over(self, job: Job, worker: WorkerHandle) -> None:
        if job.stream is not None and not job.is_frame:  # it is done in the frame that the worker has now
            job.message["meta"] |= job.stream.last
        if job.message["op"] != "embed":
            has_logits = self._catalogue.cards[job.model].has_logits
            job.message["outputs"] = outputs(job, self._publisher, has_logits=has_logits)
        self._choice.take_along(job, worker)
        self._running[job.number] = job
        worker.submit(job, time.monotonic())

    def _at_once(self, request: requests.AnyRequest, route: Any) -> replies.Reply:
        if isinstance(request, requests.StreamList):
            return self._streams.list(request.id, time.monotonic())
        if isinstance(request, requests.StreamClose):
            return self._streams.close(request)
        if isinstance(request, requests.Cancel):
            return replies.Cancelled(id=request.id, cancelled=self._cancel(request.target, route))
        if isinstance(request, requests.Return):
            self._leases.take_back(request.lease)
            return replies.Returned(id=request.id)
        if isinstance(request, requests.Release):
            if not self._images.release(request.image_id):
                raise self._intake.no_image(request.image_id, request, "image_id")
            return replies.Released(id=request.id)
        assert isinstance(request, (requests.Ping, requests.Describe, requests.Stats))
        return self.about.answer(request)

    def _cancel(self, target: str, route: Any) -> int:
        before = [*self._looking.values(), *(job for queue in self._queues.values() for job in queue)]
        found = [
            job
            for job in [*before, *self._running.values()]
            if job.envelope.id == target and not job.is_frame and not job.answered
        ]
        own = [job for job in found if job.route == route]
        now = time.monotonic()
        for job in own or found:
            waiting = self._queues[job.model].remove(job)
            if waiting:
                job.finish()
            self._fail(job, "cancelled", "The request was cancelled.")
            if not waiting:
                self.engine.cancel(job, now)
        return len(own or found)

    def _tally(self, model: str) -> Tally:
        tally = self._tallies.get(model)
        if tally is None:
            tally = self._tallies[model] = Tally()
        return tally

    def _reply(self, route: Any, message: Sequence[Frame]) -> None:
        if not self._send(route, message):
            self.about.unanswerable += 1

    def _fail(self, job: Job, code: str, message: str, path: str = "", **detail: Any) -> None:
        if job.answered:
            return
        job.answered = True
        now = time.monotonic()
        self._tally(job.model).error(code)
        self._routes.failed(job, code, now)
        error = WireError(code, message, path, **detail)
        if job.stream is not None:
            self._streams.failed(job, error, now)
        elif job.trial is not None:
            self._trials.failed(job, error)
        else:
            self._refuse(job.route, job.envelope, error)

    def _refuse(self, route: Any, envelope: Envelope, error: WireError) -> None:
        self._reply(route, frames.encode(frames.error_reply(envelope, error)))


def _failure(handle: WorkerHandle) -> tuple[str, str]:
    # Whatever a handler says of its own loading, it is not the request that is wrong.
    code = handle.failure_code if handle.failure_code in GOES_ON else "model_unavailable"
    return code, handle.failure
