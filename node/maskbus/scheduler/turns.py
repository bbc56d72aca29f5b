"""Whose turn it is among the streams of one model: one frame each, in a ring. No clock and no socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from maskbus.scheduler.stream import Frame, Stream


class Turns:
    """Keep the streams that have a frame waiting, in the order in which they get their turn.

    A stream enters when it has a frame and none of it is being looked at, and leaves with its turn: so each gets as
    many turns as any other that always has a frame, however many frames it sends; and its results keep their order.
    """

    def __init__(self) -> None:
        self._line: dict[Stream, float] = {}
        self._resting: set[Stream] = set()

    def __len__(self) -> int:
        return len(self._line)

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._line)

    def enter(self, stream: Stream, now: float) -> None:
        """Have a stream wait for its turn, if it has something to wait with."""
        if stream.busy or not stream.has_waiting or stream in self._line:
            return
        if stream.rests_until > now:
            self._resting.add(stream)
        else:
            self._resting.discard(stream)
            self._line[stream] = now

    def leave(self, stream: Stream) -> None:
        """Forget a stream."""
        self._line.pop(stream, None)
        self._resting.discard(stream)

    def wake(self, now: float) -> bool:
        """Let those that have rested long enough enter; tell whether there were any."""
        rested = [stream for stream in self._resting if stream.rests_until <= now]
        for stream in rested:
            self.enter(stream, now)
        return bool(rested)

    def next_event(self) -> float | None:
        """Return when `wake` is due next, monotonic seconds."""
        return min((stream.rests_until for stream in self._resting), default=None)

    def waits_since(self) -> float | None:
        """Return since when the first in line waits, monotonic seconds."""
        return next(iter(self._line.values()), None)

    def take(
        self,
        now: float,
        *,
        fits: Callable[[Stream], bool] = lambda _: True,
        watched: Callable[[Stream], bool] = lambda _: True,
    ) -> tuple[Stream, Frame] | None:
        """Give the first stream that `fits` its turn; return it and its frame, or None where no frame is worth it.

        Args:
            now: Monotonic seconds.
            fits: Tells whether the one who asks may look at a stream's frame.
            watched: Tells whether anybody wants a stream's results.
        """
        while (stream := next((stream for stream in self._line if fits(stream)), None)) is not None:
            del self._line[stream]
            frame = stream.take(now, watched=watched(stream))
            if frame is not None:
                return stream, frame
        return None
