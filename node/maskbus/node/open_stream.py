"""What the node knows of one open stream, besides the frames that wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from maskbus.node.image_store import KeptImage
from maskbus.scheduler import Job, Rules, Stream
from maskbus_wire import replies, requests
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Envelope
from maskbus_wire.image_checks import blob_bytes
from maskbus_wire.limits import Limits
from maskbus_wire.prompts import MaskPrompt, Prompt
from maskbus_wire.stream_checks import MOST_OBJECTS

Payload = bytes | memoryview


@dataclass(frozen=True)
class Grab:
    """A frame as it came."""

    request: requests.StreamFrame
    envelope: Envelope
    attachments: Sequence[Payload]
    route: Any
    """Where its producer is told what went wrong."""
    stowed: KeptImage | None = None
    """Its picture, where that is in the node's shared memory already."""


@dataclass(frozen=True)
class Pending:
    """An object that is to be prompted in the first frame."""

    object: requests.TrackedObject
    attachments: Sequence[Payload]
    """Those that its mask refers to."""

    @property
    def nbytes(self) -> int:
        """Bytes of its mask."""
        mask = self.object.prompt.mask
        return sum(map(len, self.attachments)) + len((mask and mask.counts) or "")


class OpenStream(Stream):
    """One stream: its settings, its topics, and which worker follows its objects."""

    def __init__(self, settings: requests.StreamOpen, session: str, now: float) -> None:
        """Begin.

        Args:
            settings: What it was opened with; `model` names the model.
            session: Name of its tracker.
            now: Monotonic seconds.
        """
        super().__init__(settings.stream, rules_of(settings))
        self.settings = settings
        self.session = session
        self.topic = f"masks/{settings.stream}/{settings.model}"
        self.frames_topic = f"frames/{settings.stream}"
        self.last_frame = now
        self.route: Any = None
        """Where the last frame came from."""
        self.told = self.limit
        """The limit that its producer knows."""
        self.worker: int | None = None
        """Number of the worker that follows its objects."""
        self.pending: dict[int, Pending] = {}
        """Objects that are to be prompted in the next frame."""
        self.prompted: dict[int, Pending] = {}
        """Objects that are being prompted in the frame that is being looked at."""
        self.unwanted: set[int] = set()
        """Objects that are to be followed no longer from the next frame on."""
        self.objects: tuple[int, ...] = ()
        """Those that were followed in the last result."""
        self.begun = False
        """Whether a worker may have a tracker for it."""
        self.size = (0, 0)
        """Width and height of the last frame."""
        self.last: dict[str, Any] = {"stamp": None, "frame_id": None, "seq": None}
        """What the last frame that was looked at bore."""
        self.job: Job | None = None
        """That of the frame that is being looked at."""
        self.last_error = ""
        self.lost = ""
        """Why its objects are lost, one sentence; empty while they are not."""

    @property
    def follows(self) -> bool:
        """Tell whether a worker has a tracker for it."""
        return self.worker is not None

    def born(self, stamp: int | None, now: float, wall_ns: int) -> float:
        """Return what a frame's age counts from, monotonic seconds."""
        if stamp is None or self.settings.age_from == "receipt":
            return now
        return now - (wall_ns - stamp) / 1e9

    @property
    def pending_bytes(self) -> int:
        """Bytes of the masks that wait for the next frame."""
        return sum(one.nbytes for one in self.pending.values())

    def pend(
        self,
        objects: Sequence[requests.TrackedObject],
        remove: Sequence[int],
        attachments: Sequence[Payload],
        limits: Limits,
        room: Callable[[], int],
    ) -> None:
        """Remember for the next frame what is to be followed.

        Args:
            objects: Objects to follow as well, or to correct.
            remove: Objects to follow no longer.
            attachments: Those of their message.
            limits: The wire's.
            room: Returns how many bytes their masks may take.

        Raises:
            WireError: where a mask's bytes are none, where there are too many, of objects or of bytes, and where what
                is to be removed is not there. Nothing is remembered then.
        """
        pending: dict[int, Pending] = {}
        for i, one in enumerate(objects):
            mask = one.prompt.mask
            if mask is not None and mask.counts is None:
                # The frames of the message go; only what is needed of them stays.
                data = bytes(blob_bytes(mask, attachments, limits, f"objects[{i}].prompt.mask"))
                kept = requests.TrackedObject(
                    object_id=one.object_id,
                    prompt=Prompt(mask=MaskPrompt(encoding=mask.encoding, attachment=0)),
                )
                pending[one.object_id] = Pending(kept, [data])
            else:
                pending[one.object_id] = Pending(one, ())
        count = len(self.pending.keys() | pending.keys())
        if count > MOST_OBJECTS:
            raise WireError(
                "too_large", f"{count} objects wait for the next frame; the limit is {MOST_OBJECTS}.", "objects"
            )
        nbytes = sum(one.nbytes for one in pending.values())
        if nbytes and nbytes > room():
            raise WireError("busy", "The node has no room for such masks before the next frame.", "objects")
        there = (self.prompted.keys() | set(self.objects)) - self.unwanted
        for i, object_id in enumerate(remove):
            if object_id not in there | self.pending.keys() | pending.keys():
                raise WireError("invalid_value", f"No object {object_id} is followed.", f"remove[{i}]")
        self.pending |= pending
        self.unwanted -= pending.keys()
        if pending:
            self.lost = ""
        for object_id in remove:
            self.pending.pop(object_id, None)
        self.unwanted |= there & set(remove)

    def prompt(self) -> None:
        """Note that what waited for the next frame is being prompted."""
        self.prompted, self.pending = self.pending, {}

    def unprompt(self) -> None:
        """Note that it has come to nothing: it waits for the next frame again."""
        again = {one: prompted for one, prompted in self.prompted.items() if one not in self.unwanted}
        self.prompted, self.pending = {}, again | self.pending
        self.unwanted &= set(self.objects)

    def followed_by(self, worker: int, seen: Sequence[int]) -> None:
        """Note that a worker has done a step of the tracker."""
        self.worker = worker
        self.objects = tuple(seen)
        self.unwanted &= set(seen)
        if self.objects:
            self.lost = ""

    def lose(self, reason: str) -> None:
        """Note that the tracker is gone."""
        if self.worker is not None:
            self.worker = None
            if self.objects:
                self.lost = f"The objects are lost; give them again. {reason}"
            self.objects = ()
            self.unwanted &= self.prompted.keys()

    def plain_counts(self) -> dict[str, Any]:
        """Return what has become of the frames so far, as plain values."""
        return {"received": self.received, "answered": self.answered, "dropped": dict(self.dropped)}

    def counts(self) -> replies.StreamCounts:
        """Return the same typed."""
        return replies.StreamCounts(**self.plain_counts())

    def info(self, now: float, *, watched: bool) -> replies.StreamInfo:
        """Describe the stream."""
        rate_in, rate_out = self.rates(now)
        median, late = self.percentiles()
        return replies.StreamInfo(
            stream=self.name,
            model=self.settings.model,
            topic=self.topic,
            policy=self.settings.policy,
            track=self.settings.track,
            object_ids=list(self.objects),
            width=self.size[0],
            height=self.size[1],
            counts=self.counts(),
            under_way=self.under_way,
            watched=watched,
            rate_in=rate_in,
            rate_out=rate_out,
            p50_ms=median * 1e3,
            p99_ms=late * 1e3,
            idle_s=max(0.0, now - self.last_frame),
            last_error=self.lost or self.last_error,
        )


def rules_of(settings: requests.StreamOpen) -> Rules:
    """Return a stream's rules."""
    return Rules(
        policy=settings.policy,
        max_fps=settings.max_fps or 0.0,
        max_waiting=settings.max_waiting,
        max_age=None if settings.max_age_ms is None else settings.max_age_ms / 1e3,
        always=settings.always,
    )
