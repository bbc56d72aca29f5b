"""One stream: which of its frames are looked at, and what becomes of the others. No clock, no socket, no picture."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_LATENCIES = 256
_WINDOW = 5.0


@dataclass(frozen=True)
class Rules:
    """What happens to frames that come faster than they can be looked at."""

    policy: str = "newest"
    """newest, every or sample, as SPEC.md tells."""
    max_fps: float = 0.0
    """With sample: frames a second that are looked at, at most."""
    max_waiting: int = 8
    """With every: frames that may be under way."""
    max_age: float | None = None
    """Seconds; an older frame is dropped when its turn comes."""
    always: bool = False
    """Whether frames are looked at though nobody wants the results."""


@dataclass(eq=False)
class Frame:
    """A frame that waits."""

    content: Any
    """What is needed to look at it; nobody here looks into it."""
    nbytes: int
    """Bytes of the node's own memory that it takes while it waits."""
    received: float
    """Monotonic seconds."""
    born: float
    """What its age counts from, monotonic seconds."""
    let_go: Callable[[], None] = lambda: None
    """Gives back what it holds; called once."""


class OverLimit(Exception):
    """Say that a frame was sent without credit."""


class Stream:
    """Take in frames, give out the one to look at next, and count all of them.

    `received` is `answered` + all of `dropped` + `under_way`, always.
    """

    def __init__(self, name: str, rules: Rules) -> None:
        self.name = name
        self.rules = rules
        self.received = 0
        self.answered = 0
        self.dropped: Counter[str] = Counter()
        self.busy = False
        """Whether a frame is being looked at."""
        self.last_frame = 0.0
        """When the last one came, monotonic seconds."""
        self._waiting: deque[Frame] = deque()
        self._taken_at: float | None = None
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._arrivals: deque[float] = deque(maxlen=_LATENCIES)
        self._results: deque[float] = deque(maxlen=_LATENCIES)

    @property
    def under_way(self) -> int:
        """Frames that wait or are being looked at."""
        return len(self._waiting) + self.busy

    @property
    def has_waiting(self) -> bool:
        """Tell whether a frame waits."""
        return bool(self._waiting)

    @property
    def waiting_bytes(self) -> int:
        """Bytes that the frames that wait take."""
        return sum(frame.nbytes for frame in self._waiting)

    @property
    def limit(self) -> int | None:
        """Return how many frames may have been sent since the stream was opened; None where there is no limit."""
        if self.rules.policy != "every":
            return None
        return self.received - self.under_way + self.rules.max_waiting

    def offer(self, frame: Frame) -> None:
        """Take in a frame that has come.

        Raises:
            OverLimit: if the producer had no credit for it. It is counted and let go.
        """
        limit = self.limit
        self.received += 1
        self.last_frame = frame.received
        self._arrivals.append(frame.received)
        if limit is not None and self.received > limit:
            self._drop(frame, "over_limit")
            raise OverLimit
        if self.rules.policy != "every":
            while self._waiting:
                self._drop(self._waiting.popleft(), "sampled" if self.rests_until > frame.received else "newer")
        self._waiting.append(frame)

    @property
    def rests_until(self) -> float:
        """When the next frame may be looked at, monotonic seconds; in the past where it may now."""
        if self.rules.policy != "sample" or self._taken_at is None:
            return 0.0
        return self._taken_at + 1.0 / self.rules.max_fps

    def take(self, now: float, *, watched: bool) -> Frame | None:
        """Return the next frame to look at, and drop those before it that are not worth it. None if none is.

        Args:
            now: Monotonic seconds.
            watched: Whether anybody wants the results.
        """
        while self._waiting:
            frame = self._waiting.popleft()
            if self.rules.max_age is not None and now - frame.born > self.rules.max_age:
                self._drop(frame, "stale")
            elif not (watched or self.rules.always):
                self._drop(frame, "unwatched")
            else:
                # From when it was due, not from when its turn came: the rate would sink below the one asked for.
                due = self.rests_until
                self._taken_at = due if due and now - due < 0.5 / max(self.rules.max_fps, 1e-3) else now
                self.busy = True
                return frame
        return None

    def refuse(self, frame: Frame, cause: str) -> None:
        """Count a frame that was never taken in."""
        self.received += 1
        self.last_frame = frame.received
        self._arrivals.append(frame.received)
        self._drop(frame, cause)

    def done(self, received: float, now: float) -> None:
        """Count the frame that was being looked at as answered."""
        self.busy = False
        self.answered += 1
        self._latencies.append(now - received)
        self._results.append(now)

    def abandon(self, cause: str) -> None:
        """Count the frame that was being looked at as dropped."""
        self.busy = False
        self.dropped[cause] += 1

    def shed(self, cause: str) -> None:
        """Drop all that waits."""
        while self._waiting:
            self._drop(self._waiting.popleft(), cause)

    def rates(self, now: float) -> tuple[float, float]:
        """Return frames received and results published a second, over the last seconds."""
        return _rate(self._arrivals, now), _rate(self._results, now)

    def percentiles(self) -> tuple[float, float]:
        """Return the median and the 99th percentile of the seconds from receipt to result."""
        ordered = sorted(self._latencies)
        if not ordered:
            return 0.0, 0.0
        return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]

    def _drop(self, frame: Frame, cause: str) -> None:
        self.dropped[cause] += 1
        frame.let_go()


def _rate(moments: deque[float], now: float) -> float:
    recent = [moment for moment in moments if moment > now - _WINDOW]
    if len(recent) < 2:
        return len(recent) / _WINDOW
    # A buffer that is full spans less than the window.
    span = now - recent[0] if len(recent) == moments.maxlen else _WINDOW
    return len(recent) / max(span, 1e-6)
