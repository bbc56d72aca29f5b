"""A lock between processes that outlives none of them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def held(path: Path, waits: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of this name; `waits` is called once if another process has it.

    It is the operating system's, on an open file, so any death frees it. The file stays: to remove it would let two
    processes hold locks of one name.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if not take(descriptor, wait=False):
            waits()
            while not take(descriptor, wait=True):
                pass  # Windows gives up after ten seconds
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def take(descriptor: int, *, wait: bool) -> bool:
        """Lock an open file, and tell whether it is locked now; another process may have it."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def take(descriptor: int, *, wait: bool) -> bool:
        """Lock an open file, and tell whether it is locked now; another process may have it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True
