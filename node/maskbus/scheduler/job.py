"""One request on its way through the node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from maskbus.scheduler.trial import Trial
from maskbus_wire.frames import Envelope

LANES = ("interactive", "stream", "batch")
"""In the order in which they are served."""


@dataclass(eq=False)
class Job:
    """Hold what the node must remember of a request until it is answered. Compared by identity."""

    number: int
    """Unique in this run of the node."""
    route: Any
    """Where the reply goes; nobody but the transport looks into it."""
    envelope: Envelope
    model: str
    lane: str
    received: float
    """Monotonic seconds."""
    deadline: float
    """Monotonic seconds."""
    message: dict[str, Any]
    """What the worker is told."""
    holds: list[Callable[[], None]] = field(default_factory=list)
    """Called once when the job is over: shared memory and pins are given back."""
    pinned: int | None = None
    """Number of the worker that holds the image's embedding."""
    answered: bool = False
    on_success: Callable[[int | None], None] | None = None
    """Called with the worker's number when the job has succeeded, before its holds are released; with None where no
    worker was needed."""
    result: Any = None
    """Slot of shared memory that the answer's bytes go to; see `maskbus.node.leases.Result`."""
    stream: Any = None
    """The stream whose frame this is, or whose objects it changes; see `maskbus.node.open_stream`."""
    is_frame: bool = False
    """Whether it is a stream's frame."""
    publish: str | None = None
    """Topic its masks are published under."""
    encodings: tuple[str, ...] = ()
    """Encodings the requester asked for."""
    hold_image: Callable[[], Callable[[], None]] | None = None
    """Holds the job's image once more; returns what gives it back."""
    trial: Trial | None = None
    """Of a request that asks for a route: what comes after this model, and what was before it."""
    own_deadline: bool = False
    """Whether the deadline is the requester's own, not the node's."""
    question: Mapping[str, Any] | None = None
    """All that the answer depends on but for the model's weights, where the answer may be kept."""
    key: str = ""
    """Under which the answer is looked for and kept, as soon as that is known."""
    fresh: bool = False
    """Whether it must be computed, though the same one may be kept."""
    ahead: tuple[Job, ...] = ()
    """Jobs that wait, whose images the worker has been given to embed along with this one's."""

    def finish(self) -> None:
        """Give back what the job holds. Safe to call again."""
        holds, self.holds = self.holds, []
        for release in holds:
            release()
