"""Where the time of a job goes."""

from __future__ import annotations

import time

from maskbus_wire.replies import Timings


class Clock:
    """Add up the stages of one job, in milliseconds. `received` is the node's, monotonic seconds of this machine."""

    def __init__(self, received: float) -> None:
        self._received = received
        self._queued_ms = (time.monotonic() - received) * 1e3
        self.decode_image_ms = 0.0
        self._stages: dict[str, float] = {}

    def stage(self, name: str) -> Stage:
        """Return a context manager that counts the time of its block towards a field of `Timings`."""
        return Stage(self._stages, name)

    def timings(self) -> Timings:
        """Return what has been added up so far."""
        return Timings(
            queued_ms=self._queued_ms,
            decode_image_ms=self.decode_image_ms,
            total_ms=(time.monotonic() - self._received) * 1e3,
            **self._stages,
        )


class Stage:
    """Time one `with` block."""

    def __init__(self, stages: dict[str, float], name: str) -> None:
        self._stages = stages
        self._name = name

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._stages[self._name] = self._stages.get(self._name, 0.0) + (time.perf_counter() - self._start) * 1e3
