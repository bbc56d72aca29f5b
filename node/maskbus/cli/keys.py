"""Single keys from the terminal, and a wait that they end."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable, Iterator

Wait = Callable[[float], str]
"""Waits so many seconds at most, and returns the key that was pressed, "" for none."""


@contextlib.contextmanager
def watched() -> Iterator[Wait]:
    """Read single keys while the block runs; where stdin is no terminal, only wait."""
    if not sys.stdin.isatty():
        yield _sleep
        return
    with _terminal() as wait:
        yield wait


def _sleep(seconds: float) -> str:
    time.sleep(seconds)
    return ""


if sys.platform == "win32":

    @contextlib.contextmanager
    def _terminal() -> Iterator[Wait]:
        yield _key

    def _key(seconds: float) -> str:
        import msvcrt

        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if msvcrt.kbhit():
                return msvcrt.getwch()
            time.sleep(0.05)
        return ""
else:

    @contextlib.contextmanager
    def _terminal() -> Iterator[Wait]:
        import termios
        import tty

        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
        try:
            tty.setcbreak(descriptor)  # Ctrl-C still is a signal
            yield _key
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

    def _key(seconds: float) -> str:
        descriptor = sys.stdin.fileno()
        ready, _, _ = select.select([descriptor], [], [], seconds)
        # Not through sys.stdin: what its buffer has read ahead, select would not see.
        return os.read(descriptor, 1).decode(errors="replace") if ready else ""
