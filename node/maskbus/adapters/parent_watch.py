"""Whether the parent is there: its lock on the mapping, and the pipe that is the child's standard input."""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

LOOK: Final = 0.5
"""Seconds between two looks at the lock."""
UNTOUCHED: Final = 10.0
"""Seconds that a parent has to lock the mapping once it is ready."""


class ParentWatch:
    """Tell when the parent is gone. The lock is the operating system's: any death frees it."""

    def __init__(self, is_held: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._is_held = is_held
        self._clock = clock
        self._since = clock()
        self._look_at = self._since
        self.was_there = False
        """Whether a parent has ever held the lock."""

    @property
    def patience_ms(self) -> int:
        """Milliseconds until the next look is due."""
        return max(0, int((self._look_at - self._clock()) * 1e3) + 1)

    def gone(self) -> str:
        """Return why the child is to end, one sentence; empty while the parent is there. Looks now and then only."""
        now = self._clock()
        if now < self._look_at:
            return ""
        self._look_at = now + LOOK
        if self._is_held():
            self.was_there = True
            return ""
        if self.was_there:
            return "The parent is gone: nobody locks the mapping any more."
        if now > self._since + UNTOUCHED:
            return f"No parent has locked the mapping within {UNTOUCHED:g} s."
        return ""


def on_end_of_input(tell: Callable[[], None], descriptor: int = 0) -> threading.Thread | None:
    """Call `tell`, in a thread of its own, once the other end of standard input is closed.

    Returns None, and never calls it, where standard input is no pipe: a terminal or the null device says nothing of a
    parent. What comes through the pipe is thrown away.
    """
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return None
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return None

    def read() -> None:
        try:
            while _read(descriptor):
                pass
        except OSError:
            pass  # an end like any other
        tell()

    thread = threading.Thread(target=read, name="maskbus parent", daemon=True)
    thread.start()
    return thread


if sys.platform == "win32":
    import ctypes
    import msvcrt

    _PAUSE = 0.02

    def _read(descriptor: int) -> bool:
        """Throw away what has come through a pipe; False at its end.

        Never waits in a read: for as long, no other thread could ask the system what standard input is, and libraries
        do so when they are loaded.
        """
        count = ctypes.c_uint32()
        handle = ctypes.c_void_p(msvcrt.get_osfhandle(descriptor))
        if not ctypes.windll.kernel32.PeekNamedPipe(handle, None, 0, None, ctypes.byref(count), None):
            return False
        if count.value:
            return bool(os.read(descriptor, min(count.value, 4096)))
        time.sleep(_PAUSE)
        return True
else:

    def _read(descriptor: int) -> bool:
        """Wait for what comes through a pipe and throw it away; False at its end."""
        return bool(os.read(descriptor, 4096))
