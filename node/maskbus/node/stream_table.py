"""The streams that are open: what is asked of them, and a job for each frame whose turn it is."""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from maskbus.config import Config
from maskbus.node.admission import Admission, Track, check_abilities, check_encodings
from maskbus.node.image_intake import ImageIntake
from maskbus.node.leases import Leases
from maskbus.node.open_stream import Grab, OpenStream, rules_of
from maskbus.node.publisher import Publisher
from maskbus.scheduler import Job, Turns
from maskbus.scheduler.stream import Frame, OverLimit
from maskbus.worker.channel import pack
from maskbus_wire import frames, replies, requests
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Envelope
from maskbus_wire.image_checks import blob_bytes
from maskbus_wire.limits import Limits
from maskbus_wire.prompts import Image

Payload = bytes | memoryview
Reply = Callable[[Any, Sequence[Any]], None]
"""Sends frames along a route."""
Publish = Callable[[Sequence[Any]], None]


class StreamTable:
    """Know every open stream, and what its worker follows."""

    def __init__(
        self,
        config: Config,
        limits: Limits,
        admission: Admission,
        intake: ImageIntake,
        leases: Leases,
        publisher: Publisher,
        reply: Reply,
        publish: Publish,
        take_back: Callable[[OpenStream], None],
        end_tracker: Callable[[str, str], None],
    ) -> None:
        """Begin without streams.

        Args:
            config: The node's.
            limits: The wire's, as the node is configured.
            admission: Makes jobs of frames.
            intake: Takes in frames.
            leases: Where frames in shared memory are.
            publisher: Knows who subscribes.
            reply: Sends a message to a producer.
            publish: Publishes a message, the topic first.
            take_back: Takes back all jobs of a stream that has ended.
            end_tracker: Tells the workers of a model (first) to forget a tracker (second).
        """
        self._config = config
        self._limits = limits
        self._admission = admission
        self._intake = intake
        self._leases = leases
        self._publisher = publisher
        self._reply = reply
        self._publish = publish
        self._take_back = take_back
        self._end_tracker = end_tracker
        self._streams: dict[str, OpenStream] = {}
        self._turns: dict[str, Turns] = {}
        self._waiting_bytes = 0
        self._look_at: float | None = None

    # -- what is asked -------------------------------------------------------------------------------------------------

    def open(self, request: requests.StreamOpen, attachments: Sequence[Payload], now: float) -> replies.StreamOpened:
        """Begin a stream. WireError where it cannot be; then one that was there goes on."""
        card = self._admission.card(request.model or self._admission.model_of(_segment(request, Image(image_id=""))))
        if request.track and not card.tracks:
            raise WireError("unsupported_prompt", f"{card.name} does not follow objects.", "track")
        if not request.track:
            check_abilities(_segment(request, Image(image_id="")), card)
        check_encodings(request.encodings, card)
        before = self._streams.get(request.stream)
        if before is None and len(self._streams) >= self._config.streams:
            raise WireError("busy", f"{len(self._streams)} streams are open already.")
        settings = replace(request, model=card.name, objects=[])
        self._check_size(settings, request.objects)
        stream = OpenStream(settings, secrets.token_hex(8), now)
        stream.pend(request.objects, (), attachments, self._limits, self._room)
        if before is not None:
            self._end(before)
        self._streams[request.stream] = stream
        self._look_at = now if self._look_at is None else self._look_at
        return replies.StreamOpened(
            id=request.id,
            stream=stream.name,
            model=card.name,
            topic=stream.topic,
            frames_topic=stream.frames_topic,
            resumed=before is not None,
            limit=stream.limit,
        )

    def frame(
        self,
        request: requests.StreamFrame,
        envelope: Envelope,
        attachments: Sequence[Payload],
        route: Any,
        now: float,
        *,
        listens: bool = True,
    ) -> tuple[str, replies.StreamFrameTaken | None]:
        """Take in a frame; return the model of its stream, and what its producer is to be told.

        Args:
            request: The frame.
            envelope: That of its message.
            attachments: Those of its message.
            route: Where it came from.
            now: Monotonic seconds.
            listens: Whether that connection can be told what it has not asked for.

        Raises:
            WireError: `unknown_stream`, `busy` without credit, and what is wrong with it.
        """
        stream = self.find(request.stream)
        grab = Grab(request, envelope, attachments, route if listens else None)
        stream.route = grab.route
        try:
            if self._publisher.has_subscribers(stream.frames_topic):
                self._show(stream, grab)
            hold = self._hold(request.image)
        except WireError as error:
            self.refused(stream.name, error, grab.route, now)
            raise
        image = request.image
        nbytes = sum(map(len, attachments)) + len(image.data or b"") + len(image.base64 or "")
        self._waiting_bytes += nbytes

        def let_go() -> None:
            self._waiting_bytes -= nbytes
            hold()

        frame = Frame(grab, nbytes, now, stream.born(request.stamp, now, time.time_ns()), let_go)
        replaced = 0 if stream.rules.policy == "every" else stream.waiting_bytes
        if self._waiting_bytes - replaced > self._config.stream_bytes:
            stream.refuse(frame, "memory")
        else:
            try:
                stream.offer(frame)
            except OverLimit:
                raise WireError("busy", f"More than {stream.limit} frames have been sent.") from None
            if stream.rules.policy == "every" and request.image.slot is None:
                self._stow(stream, frame)
            self._line(stream).enter(stream, now)
        self._credit(stream)
        if not request.ack:
            return stream.settings.model, None
        return stream.settings.model, replies.StreamFrameTaken(
            id=request.id, stream=stream.name, seq=request.seq, limit=stream.limit
        )

    def refused(self, name: str, error: WireError, route: Any, now: float) -> None:
        """Count a frame that was wrong from the outset, if there is such a stream: credit was spent on it.

        Args:
            name: The stream that it says it is of.
            error: What its producer is told.
            route: Where it came from; None where that connection cannot be told what it has not asked for.
            now: Monotonic seconds.
        """
        stream = self._streams.get(name)
        if stream is None:
            return
        stream.route = route
        stream.refuse(Frame(None, 0, now, now), "failed")
        stream.last_error = error.message
        self._credit(stream)

    def update(
        self,
        request: requests.StreamUpdate,
        envelope: Envelope,
        attachments: Sequence[Payload],
        route: Any,
        now: float,
    ) -> replies.StreamUpdated | Job:
        """Change a stream; return the answer, or the job that makes it. WireError where it cannot be."""
        stream = self.find(request.stream)
        settings = stream.settings
        changes: dict[str, Any] = {}
        for name in ("prompt", "encodings", "max_fps", "always", "options"):
            value = getattr(request, name)
            if value is not None:
                changes[name] = value
        if request.max_age_ms is not None:
            changes["max_age_ms"] = request.max_age_ms or None
        if request.max_fps is not None and settings.policy != "sample":
            raise WireError("invalid_value", "Only the policy sample has it.", "max_fps")
        if settings.track and request.prompt is not None:
            raise WireError("invalid_value", "A stream that tracks is given objects, not one prompt.", "prompt")
        for name in ("objects", "remove"):
            if getattr(request, name) and not settings.track:
                raise WireError("invalid_value", "Only a stream that tracks has objects.", name)
        changed = replace(settings, **changes)
        self._check_size(changed, request.objects)
        card = self._admission.card(settings.model)
        if not settings.track:
            check_abilities(_segment(changed, Image(image_id="")), card)
        check_encodings(changed.encodings, card)
        if settings.track and "logits" in changed.encodings and "logits" not in settings.encodings:
            raise WireError("invalid_value", "A tracker has logits from the beginning, or none.", "encodings")
        if (request.objects or request.remove) and stream.follows and not (stream.pending or stream.unwanted):
            job = self._admission.retrack(stream, request, envelope, attachments, route)
            job.on_success = lambda _: self._change(stream, changes)  # an error changes nothing
            return job
        stream.pend(request.objects, request.remove, attachments, self._limits, self._room)
        self._change(stream, changes)
        return replies.StreamUpdated(id=request.id, stream=stream.name)

    def close(self, request: requests.StreamClose) -> replies.StreamClosed:
        """End a stream. WireError where there is none."""
        stream = self.find(request.stream)
        self._end(stream)
        return replies.StreamClosed(id=request.id, stream=stream.name, counts=stream.counts())

    def list(self, request_id: str, now: float) -> replies.Streams:
        """Describe all streams."""
        return replies.Streams(
            id=request_id,
            streams=[stream.info(now, watched=self._is_watched(stream)) for _, stream in sorted(self._streams.items())],
        )

    def find(self, name: str) -> OpenStream:
        """Return a stream. WireError where there is none."""
        stream = self._streams.get(name)
        if stream is None:
            raise WireError("unknown_stream", "No stream of this name is open here (any more).", "stream")
        return stream

    # -- turns ---------------------------------------------------------------------------------------------------------

    def waits_since(self, model: str) -> float | None:
        """Return since when a stream of a model waits for its turn, monotonic seconds."""
        turns = self._turns.get(model)
        return turns.waits_since() if turns else None

    def lined_up(self, model: str) -> int:
        """Return how many streams of a model wait for their turn."""
        return len(self._turns.get(model, ()))

    def next_job(self, model: str, fits: Callable[[int | None], bool], now: float) -> Job | None:
        """Return the job of the frame whose turn it is, or None where there is none.

        Args:
            model: The model whose worker asks.
            fits: Tells whether that worker may have a job that was left to a worker of this number, or to none.
            now: Monotonic seconds.
        """
        turns = self._turns.get(model)
        while turns:
            taken = turns.take(now, fits=lambda stream: fits(_open(stream).worker), watched=self._is_watched)
            self._credit_all(model)
            if taken is None:
                return None
            stream, frame = _open(taken[0]), taken[1]
            try:
                return self._admit(stream, frame)
            except WireError as error:
                self._fail(stream, frame.content.route, frame.content.envelope, error, now)
            finally:
                frame.let_go()
        return None

    def done(self, job: Job, seen: Sequence[int], worker: int, now: float) -> replies.StreamUpdated | None:
        """Count a frame as answered; or return what is answered to whoever changed what is followed.

        Args:
            job: Its job.
            seen: Ids of the objects that are followed.
            worker: Number of the worker that did it.
            now: Monotonic seconds.
        """
        stream: OpenStream = job.stream
        if stream.settings.track:
            stream.followed_by(worker, seen)
        if not job.is_frame:
            return replies.StreamUpdated(id=job.envelope.id, stream=stream.name, seq=stream.last["seq"])
        stream.done(job.received, now)
        stream.job = None
        stream.prompted = {}
        picture = job.message["image"]
        stream.size = picture["width"], picture["height"]
        stream.last = {name: job.message["meta"][name] for name in stream.last}
        self._after(stream, now)
        return None

    def failed(self, job: Job, error: WireError, now: float) -> None:
        """Count a frame as failed, and tell its producer; or tell who changed what is followed."""
        stream: OpenStream = job.stream
        if error.code in {"worker_died", "out_of_memory"}:
            stream.lose(error.message)
        if job.is_frame:
            self._fail(stream, job.route, job.envelope, error, now)
        else:
            self._reply(job.route, frames.encode(frames.error_reply(job.envelope, error)))

    def lose(self, model: str, worker: int) -> None:
        """Note that what a worker (second) of a model (first) followed is lost."""
        for stream in self._streams.values():
            if stream.settings.model == model and stream.worker == worker:
                stream.lose("The worker that followed them has ended.")

    # -- the clock -----------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> set[str]:
        """Close streams that have been idle for too long; return the models for which a stream's turn has come."""
        woken = {model for model, turns in self._turns.items() if turns.wake(now)}
        if self._look_at is not None and now >= self._look_at:
            for stream in list(self._streams.values()):
                if now > stream.last_frame + self._idle(stream) and not stream.under_way:
                    self._end(stream)
            self._look_at = now + 1.0 if self._streams else None
        return woken

    def next_event(self) -> float | None:
        """Return when `tick` is due next, monotonic seconds."""
        times = [self._look_at, *(turns.next_event() for turns in self._turns.values())]
        return min((moment for moment in times if moment is not None), default=None)

    def shut(self, model: str, error: WireError, now: float) -> None:
        """Fail all frames that wait for a model that cannot run."""
        for stream in [one for one in self._streams.values() if one.settings.model == model]:
            self._line(stream).leave(stream)
            while (frame := stream.take(now, watched=True)) is not None:
                frame.let_go()
                self._fail(stream, frame.content.route, frame.content.envelope, error, now)

    def close_all(self) -> None:
        """End all streams."""
        for stream in list(self._streams.values()):
            self._end(stream)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _admit(self, stream: OpenStream, frame: Frame) -> Job:
        grab: Grab = frame.content
        settings, request = stream.settings, grab.request
        about: dict[str, Any] = {
            "stamp": request.stamp,
            "frame_id": request.frame_id,
            "stream": request.stream,
            "seq": request.seq,
            "model": settings.model,
            "lane": "stream",
            "deadline_ms": settings.deadline_ms,
            "encodings": settings.encodings,
            "inline": settings.inline,
            "publish": stream.topic,
            "post": settings.post,
        }
        work: requests.MaskWork
        if settings.track:
            work = Track(image=request.image, **about, session=stream.session, begin=not stream.follows)
            job = self._admission.admit_frame(work, grab, stream, frame.received)
            stream.begun = True
            stream.prompt()
        else:
            work = replace(_segment(settings, request.image), **about)
            job = self._admission.admit_frame(work, grab, stream, frame.received)
        job.message["counts"] = stream.plain_counts()
        stream.job = job
        return job

    def _fail(self, stream: OpenStream, route: Any, envelope: Envelope, error: WireError, now: float) -> None:
        stream.abandon("failed")
        stream.job = None
        stream.unprompt()
        stream.last_error = error.message
        if route is not None:
            self._reply(route, frames.encode(frames.error_reply(envelope, error)))
        self._after(stream, now)

    def _after(self, stream: OpenStream, now: float) -> None:
        """Go on with a stream of which a frame is done with."""
        self._credit(stream)
        if self._streams.get(stream.name) is stream:
            self._line(stream).enter(stream, now)

    def _credit(self, stream: OpenStream) -> None:
        limit = stream.limit
        if limit is None or limit == stream.told or self._streams.get(stream.name) is not stream:
            return
        if stream.route is not None:
            stream.told = limit
            self._reply(stream.route, frames.encode(replies.StreamCredit(stream=stream.name, limit=limit)))

    def _credit_all(self, model: str) -> None:
        """Tell producers of frames that were dropped on the way to the next turn."""
        for stream in self._streams.values():
            if stream.settings.policy == "every" and stream.settings.model == model:
                self._credit(stream)

    def _end(self, stream: OpenStream) -> None:
        self._line(stream).leave(stream)
        stream.shed("closed")
        if stream.job is not None:
            stream.job = None
            stream.abandon("closed")
        self._take_back(stream)
        if self._streams.get(stream.name) is stream:
            del self._streams[stream.name]
        self._publisher.forget(stream.topic)
        if stream.begun:
            self._end_tracker(stream.settings.model, stream.session)

    def _stow(self, stream: OpenStream, frame: Frame) -> None:
        """Copy a frame that will be looked at for sure into shared memory, while the worker is at another one."""
        if not (stream.rules.always or self._is_watched(stream)):
            return
        grab: Grab = frame.content
        try:
            stowed = self._intake.stow(grab.request.image, grab.attachments)
        except WireError:
            return  # when its turn comes there may be room; or its producer is told what is wrong with it
        let_go = frame.let_go

        def also() -> None:
            stowed.slot.release()
            let_go()

        frame.content, frame.let_go = dataclasses.replace(grab, attachments=(), stowed=stowed), also

    def _hold(self, image: Image) -> Callable[[], None]:
        """Have a slot of shared memory stay as it is while its frame waits."""
        if image.slot is None:
            return lambda: None
        lease = self._leases.find(image.slot.lease, "image.slot.lease")
        lease.image(image.slot.index, image.slot.generation)
        return lease.read(image.slot.index)

    def _show(self, stream: OpenStream, grab: Grab) -> None:
        """Publish a frame as it came."""
        image = grab.request.image
        data: Payload
        if image.slot is not None:
            lease = self._leases.find(image.slot.lease, "image.slot.lease")
            entry, encoding = lease.image(image.slot.index, image.slot.generation)
            data = memoryview(bytearray(entry.length))
            lease.copy(image.slot.index, entry, data)
            shown = Image(
                attachment=0,
                encoding=encoding,
                width=entry.width or None,
                height=entry.height or None,
                step=entry.step or None,
            )
        else:
            data = blob_bytes(image, grab.attachments, self._limits, "image")
            shown = replace(image, attachment=0, data=None, base64=None)
        message = replies.PublishedFrame(
            stream=stream.name,
            topic=stream.frames_topic,
            image=shown,
            stamp=grab.request.stamp,
            frame_id=grab.request.frame_id,
            seq=grab.request.seq,
        )
        self._publish([stream.frames_topic.encode(), *frames.encode(message, [data])])

    def _is_watched(self, stream: Any) -> bool:
        return self._publisher.has_subscribers(stream.topic)

    def _idle(self, stream: OpenStream) -> float:
        most = self._config.stream_idle_s
        return min(most, (stream.settings.idle_ms or most * 1e3) / 1e3)

    def _change(self, stream: OpenStream, changes: dict[str, Any]) -> None:
        """Have a stream go on with other settings."""
        stream.settings = replace(stream.settings, **changes)
        stream.rules = rules_of(stream.settings)
        if "max_fps" in changes:  # else it keeps its place in the line
            self._line(stream).leave(stream)
            self._line(stream).enter(stream, time.monotonic())

    def _check_size(self, settings: requests.StreamOpen, objects: Sequence[requests.TrackedObject]) -> None:
        """Check that a worker can be told in one message what is wanted. WireError where it is too much."""
        prompts = [settings.prompt, *(replace(one.prompt, mask=None) for one in objects)]
        size = len(pack(msgspec.to_builtins({"prompts": prompts, "options": settings.options}, builtin_types=(bytes,))))
        if size > self._limits.control_bytes:
            path = "options" if settings.options else "objects" if objects else "prompt"
            raise WireError("too_large", f"Prompts and options take {size} bytes.", path)

    def _room(self) -> int:
        """Return the bytes that are left for what waits."""
        masks = sum(stream.pending_bytes for stream in self._streams.values())
        return self._config.stream_bytes - self._waiting_bytes - masks

    def _line(self, stream: OpenStream) -> Turns:
        return self._turns.setdefault(stream.settings.model, Turns())


def _segment(settings: requests.StreamOpen, image: Image) -> requests.Segment:
    """Return what is asked of each frame of a stream that does not track."""
    return requests.Segment(
        image=image,
        prompt=settings.prompt,
        multimask=settings.multimask,
        max_side=settings.max_side,
        post=settings.post,
        text_options=settings.text_options if settings.prompt.text else None,
        options=settings.options,
    )


def _open(stream: Any) -> OpenStream:
    """Say that the turns' streams are ours."""
    assert isinstance(stream, OpenStream)
    return stream
