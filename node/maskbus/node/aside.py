"""What takes long and must not hold up the bus loop: done by one thread, one thing after another."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from maskbus.socket_pair import socket_pair

T = TypeVar("T")


class Aside:
    """Run work in a thread, and what follows from it on the loop that polls `fileno`."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aside")
        self._finished: deque[Callable[[], None]] = deque()
        self._wake, self._waker = socket_pair()
        self._wake.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor that is readable when `take` has something to do."""
        return self._wake.fileno()

    def run(self, work: Callable[[], T], then: Callable[[T | Exception], None]) -> None:
        """Have `work` done; `take` calls `then` with what it returned, or raised."""
        self._thread.submit(self._run, work, then)

    def post(self, then: Callable[[], None]) -> None:
        """Have `take` call `then`. May be called from any thread, until `close`."""
        self._finished.append(then)
        self._waker.send(b"f")

    def take(self) -> None:
        """Do what follows from the work that is finished."""
        with contextlib.suppress(BlockingIOError):
            self._wake.recv(64)
        while self._finished:
            self._finished.popleft()()

    def close(self) -> None:
        """Wait for the work that has begun, and do what follows from it."""
        self._thread.shutdown(wait=True)
        self.take()
        self._wake.close()
        self._waker.close()

    def _run(self, work: Callable[[], T], then: Callable[[T | Exception], None]) -> None:
        outcome: T | Exception
        try:
            outcome = work()
        except Exception as error:  # whatever it is, somebody waits for an answer
            outcome = error
        self.post(partial(then, outcome))
