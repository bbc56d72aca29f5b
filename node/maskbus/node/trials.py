"""Requests that ask for a route: one model after the other is asked, until one answers well enough."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from maskbus.node import own_header
from maskbus.node.admission import Admission
from maskbus.node.image_intake import Once
from maskbus.node.routes import Plan, Routes
from maskbus.scheduler import GOES_ON, Job, ModelQueue, Trial
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Envelope
from maskbus_wire.requests import Segment, Work

_MOST_HELD = 256 * 2**20
"""Bytes of all answers that wait for a better one. Beyond, the best that has come is answered."""

Frame = bytes | bytearray | memoryview
Deliver = Callable[["Answered"], None]
Refuse = Callable[[Any, Envelope, WireError], None]


@dataclass(frozen=True)
class Answered:
    """What a worker, or what was kept, has to say to a job."""

    job: Job
    control: Mapping[str, Any]
    payload: list[Frame]
    worker: int | None
    """Number of the worker; None where none was needed."""

    @property
    def nbytes(self) -> int:
        """Bytes of its frames."""
        return sum(memoryview(frame).nbytes for frame in self.payload)


@dataclass(frozen=True)
class _Asked:
    """A request as it came."""

    request: Work
    envelope: Envelope
    attachments: Sequence[bytes | memoryview]
    route: Any
    received: float
    image: Once

    def without_pixels(self) -> _Asked:
        """Return the request without the bytes of its image, which lie in shared memory by now."""
        image, attachments = self.request.image, list(self.attachments)
        prompt = self.request.prompt if isinstance(self.request, Segment) else None
        shared = {blob.attachment for blob in (prompt.mask, prompt.logits) if blob is not None} if prompt else set()
        if image.attachment is not None and image.attachment not in shared:
            attachments[image.attachment] = b""
        image = msgspec.structs.replace(image, data=None, base64=None)
        return replace(self, request=msgspec.structs.replace(self.request, image=image), attachments=attachments)


class Trials:
    """Ask the next model when one has failed or fallen short; answer for all of them when none is left."""

    def __init__(
        self,
        routes: Routes,
        admission: Admission,
        queues: Mapping[str, ModelQueue],
        start: Callable[[Job], None],
        deliver: Deliver,
        refuse: Refuse,
        is_stopping: Callable[[], bool],
    ) -> None:
        """Begin with none.

        Args:
            routes: Knows which models are left out.
            admission: Makes jobs.
            queues: What waits for each model.
            start: Begins with a job. It raises WireError where that cannot be.
            deliver: Sends an answer.
            refuse: Sends an error along a route.
            is_stopping: Tells whether no more work is to be begun.
        """
        self._routes = routes
        self._admission = admission
        self._queues = queues
        self._start = start
        self._deliver = deliver
        self._refuse = refuse
        self._is_stopping = is_stopping
        self._held = 0
        """Bytes of the answers that wait for a better one."""

    def begin(
        self,
        plan: Plan,
        request: Work,
        envelope: Envelope,
        attachments: Sequence[bytes | memoryview],
        route: Any,
        deadline: float,
    ) -> None:
        """Ask the first model that can be asked. WireError where the request itself is wrong."""
        asked = _Asked(request, envelope, attachments, route, time.monotonic(), Once())
        trial = Trial(deque(plan.models), deadline, plan.min_predicted_iou, plan.share, asked)
        self._next(trial)

    def is_enough(self, answered: Answered) -> bool:
        """Tell whether a job's answer is good enough. If not, another model is being asked, or the best is answered."""
        trial = answered.job.trial
        assert trial is not None
        best = answered.control.get("best")
        if answered.job.message["op"] == "embed" or trial.accepts(best):
            return True
        answered.job.answered = True
        dropped = trial.fell_short(best, answered, time.monotonic())
        self._held += answered.nbytes
        if dropped is not None:
            self._held -= dropped.nbytes
        answered.job.finish()  # the request itself holds its image still
        if self._held > _MOST_HELD:
            self._conclude(trial)
        else:
            self._go_on(trial)
        return False

    def failed(self, job: Job, error: WireError) -> None:
        """Ask the next model after one has failed; answer where the error is the request's own, or none is left."""
        trial = job.trial
        assert trial is not None
        trial.failed(error.code, error.message, time.monotonic())
        if error.code in GOES_ON:
            self._go_on(trial)
        elif trial.best is not None and error.code != "cancelled":
            self._conclude(trial)  # another model could do with the request, or the node is stopping
        else:
            self._end(trial, error)

    def over(self, trial: Trial) -> None:
        """Let go of what was held for a request that is answered."""
        trial.finish()
        if trial.best is not None:
            self._held -= trial.best[2].nbytes

    def _go_on(self, trial: Trial) -> None:
        try:
            self._next(trial)
        except WireError as error:  # what the request names is gone: a kept image, a lease
            if trial.best is None:
                self._end(trial, error)
            else:
                self._conclude(trial)

    def _next(self, trial: Trial) -> None:
        while not self._is_stopping():
            now = time.monotonic()
            model = trial.next(now)
            if model is None:
                break
            reason = self._routes.left_out(model, now)
            if reason:
                trial.failed("left_out", reason, now)
                continue
            try:
                self._ask(trial, model, now)
                return
            except WireError as error:
                if error.code not in GOES_ON:
                    if trial.best is None:
                        trial.finish()
                    raise
                trial.failed(error.code, error.message, now)
        self._conclude(trial)

    def _ask(self, trial: Trial, model: str, now: float) -> None:
        asked: _Asked = trial.content
        request = msgspec.structs.replace(asked.request, model=model, route=None)
        if isinstance(request, Segment):
            request = msgspec.structs.replace(request, result=None)  # what falls short would be in the slot's way
        job = self._admission.admit(request, asked.envelope, asked.attachments, self._queues, asked.route, asked.image)
        due = trial.due(now)
        job.trial, job.received, job.deadline = trial, asked.received, due
        job.own_deadline = asked.request.deadline_ms is not None
        job.message |= {"received": asked.received, "deadline": due}
        if trial.let_go is None:
            trial.let_go, trial.content = asked.image.let_go, asked.without_pixels()
        self._routes.begin(job)
        try:
            self._start(job)
        except WireError:
            self._routes.came_to_nothing(job)
            raise

    def _conclude(self, trial: Trial) -> None:
        if trial.best is not None:
            self._deliver(trial.best[2])
            return
        if trial.models and self._is_stopping():
            self._end(trial, WireError("shutting_down", "The node is stopping."))
            return
        code, sentence = trial.verdict()
        if time.monotonic() >= trial.deadline:
            code = "deadline_exceeded"
        self._end(trial, WireError(code, sentence))

    def _end(self, trial: Trial, error: WireError) -> None:
        asked: _Asked = trial.content
        detail = {**error.detail, "tried": trial.tried}
        self.over(trial)  # a requester that has its answer finds its shared memory free
        self._refuse(asked.route, asked.envelope, WireError(error.code, error.message, error.path, **detail))


def told(answered: Answered) -> list[Frame]:
    """Return the frames of an answer, the requester's first, with what was tried before in its header."""
    trial, payload = answered.job.trial, answered.payload
    if trial is None or not trial.tried:
        return payload
    plain = own_header.opened(payload[0])
    changes: dict[str, Any] = {
        "tried": [msgspec.to_builtins(one) for one in trial.tried if one.model != answered.job.model]
    }
    if trial.best is not None and trial.best[2] is answered:
        own = next(one for one in trial.tried if one.model == answered.job.model)
        changes["notes"] = [
            *plain.get("notes", []),
            f"No answer was good enough; this is the best of them. {own.message}",
        ]
    return [own_header.changed(plain, changes), *payload[1:]]
