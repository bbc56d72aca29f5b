"""Where the time of a job goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from maskbus_wire.replies import Timings


class Clock:
    """Add up the stages of one job, in milliseconds. `received` is the node's, monotonic seconds of this machine."""

    def __init__(self, received: float) -> None:
        self._received = received
        self._queued_ms = (time.monotonic() - received) * 1e3
        self.decode_image_ms = 0.0
        self._stages: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of a `with` block towards a field of `Timings`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._stages[name] = self._stages.get(name, 0.0) + (time.perf_counter() - start) * 1e3

    def timings(self) -> Timings:
        """Return what has been added up so far."""
        return Timings(
            queued_ms=self._queued_ms,
            decode_image_ms=self.decode_image_ms,
            total_ms=(time.monotonic() - self._received) * 1e3,
            **self._stages,
        )
