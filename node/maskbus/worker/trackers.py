"""What a worker follows: one tracker a stream, all within one number of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from maskbus.interfaces import BadPrompt, Handler, Image, Job, Prompt, Tracked, Tracker, TrackerOptions
from maskbus_wire.errors import WireError


class Step(NamedTuple):
    """What a tracker is to do."""

    session: str
    """Name of the tracker."""
    begin: bool
    """Whether it is a new one."""
    image: Image | None
    """The next frame; None: only what follows is done, in the frame it has."""
    objects: Sequence[tuple[int, Prompt]]
    """Objects to add or to correct in that frame."""
    remove: Sequence[int]
    """Objects to follow no longer."""
    options: TrackerOptions


@dataclass
class _Followed:
    tracker: Tracker
    last: Tracked | None = None


class Trackers:
    """Keep the trackers of one handler."""

    def __init__(self, handler: Handler, capacity: int) -> None:
        """Begin without any.

        Args:
            handler: Makes them.
            capacity: Bytes of all of them together.
        """
        self._handler = handler
        self._capacity = capacity
        self._followed: dict[str, _Followed] = {}

    def __len__(self) -> int:
        return len(self._followed)

    @property
    def nbytes(self) -> int:
        """Bytes of all trackers."""
        return sum(followed.tracker.nbytes for followed in self._followed.values())

    def step(self, step: Step, job: Job) -> tuple[Tracked, list[str]]:
        """Do a step; return where the objects are, and what had to be done otherwise than asked, a sentence each.

        Raises:
            WireError: `worker_died` if the tracker is not here, `too_large` if an object does not fit, `invalid_value`
                with the path of what is wrong. All is followed as before then; a frame that was taken stays taken.
            HandlerError: what the tracker cannot do.
        """
        if step.begin:
            self.end(step.session)
            self._followed[step.session] = _Followed(self._handler.tracker(step.options))
        followed = self._followed.get(step.session)
        if followed is None:
            raise WireError("worker_died", "The worker that followed the objects has ended.")
        try:
            return self._go(followed, step, job)
        except BaseException:
            if step.begin:
                self.end(step.session)
            raise

    def end(self, session: str) -> None:
        """Forget a tracker, if it is here."""
        followed = self._followed.pop(session, None)
        if followed is not None:
            followed.tracker.close()

    def close(self) -> None:
        """Forget all."""
        for session in list(self._followed):
            self.end(session)

    def _go(self, followed: _Followed, step: Step, job: Job) -> tuple[Tracked, list[str]]:
        tracker = followed.tracker
        for i, object_id in enumerate(step.remove):
            if object_id not in tracker.object_ids:
                raise WireError("invalid_value", f"No object {object_id} is followed.", f"remove[{i}]")
        notes: list[str] = []
        if step.image is not None:
            try:
                followed.last = tracker.advance(step.image, job)
            except BadPrompt as error:
                raise WireError(error.code, str(error), "image") from None
            notes = self._make_room(tracker)
        before = tracker.object_ids
        try:
            for i, (object_id, prompt) in enumerate(step.objects):
                try:
                    followed.last = tracker.prompt(object_id, prompt, job)
                except BadPrompt as error:
                    raise WireError(error.code, str(error), f"objects[{i}].prompt") from None
                self._require_room()
        except BaseException:
            for object_id in tracker.object_ids:
                if object_id not in before:
                    tracker.remove(object_id)
            raise
        for object_id in dict.fromkeys(step.remove):
            tracker.remove(object_id)
        assert followed.last is not None  # nothing can be prompted or removed before the first frame
        followed.last = _only(followed.last, tracker.object_ids)
        return followed.last, notes

    def _require_room(self) -> None:
        if self.nbytes > self._capacity:
            raise WireError(
                "too_large",
                f"What is followed would take {self.nbytes} bytes; the limit is {self._capacity}.",
                "objects",
            )

    def _make_room(self, tracker: Tracker) -> list[str]:
        """Give up objects of a tracker that has grown, the last added first."""
        notes = []
        while self.nbytes > self._capacity and tracker.object_ids:
            last = tracker.object_ids[-1]
            tracker.remove(last)
            notes.append(f"The object {last} was given up: what is followed takes more than {self._capacity} bytes.")
        return notes


def _only(tracked: Tracked, kept: Sequence[int]) -> Tracked:
    """Return what is said of those objects that are still followed."""
    if tuple(tracked.object_ids) == tuple(kept):
        return tracked
    rows = [i for i, object_id in enumerate(tracked.object_ids) if object_id in kept]
    return replace(
        tracked,
        object_ids=tuple(tracked.object_ids[i] for i in rows),
        masks=tracked.masks[rows],
        present=tracked.present[rows],
        predicted_iou=tracked.predicted_iou[rows],
        logits=None if tracked.logits is None else tracked.logits[rows],
    )
