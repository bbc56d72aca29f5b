"""Threads that share out one network's work in large pieces.

torch shares out every single operation among its threads. Threads that sleep while they wait, as those of workers do
for their neighbours' sake, take as long to wake as a small operation takes. So here each thread does whole chains of
operations on its own part of the data, and meets the others a few times a prompt.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


class Crew:
    """The calling thread and some more."""

    def __init__(self, threads: int) -> None:
        """Begin with so many threads; they are started when they are first needed."""
        self.threads = max(1, threads)
        self._others = ThreadPoolExecutor(self.threads - 1, "crew") if self.threads > 1 else None

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Have each operation computed by the thread that asks for it alone, in a `with` block without gradients."""
        before = torch.get_num_threads()
        if self._others is not None:
            torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                yield
        finally:
            if self._others is not None:
                torch.set_num_threads(before)

    def each(self, work: Callable[[T], None], parts: Sequence[T]) -> None:
        """Call `work` with each of some parts, and return when all are done. What one of them raises is raised."""
        if self._others is None or len(parts) == 1:
            for part in parts:
                work(part)
            return

        def share(start: int) -> None:
            with torch.inference_mode():  # which each thread has to say for itself
                for part in parts[start :: self.threads]:
                    work(part)

        waiting = [self._others.submit(share, start) for start in range(1, min(self.threads, len(parts)))]
        try:
            share(0)
        finally:
            for one in waiting:
                one.result()
