"""The lock that tells a living holder of shared memory from a dead one (SPEC.md, section 17).

It is the operating system's, on an open file: any death frees it, kill -9 included. A client holds it shared for as
long as it has the file mapped; whoever can take it alone knows that nobody is left. Age plays no part.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import msvcrt
    import os

    # Locks of Windows keep others from reading and writing what they cover: they lie far behind the file's end.
    _WHERE = 1 << 40

    def hold(descriptor: int) -> None:
        """Hold the lock until the descriptor is closed. OSError where it cannot be had."""
        os.lseek(descriptor, _WHERE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)

    def is_held(descriptor: int) -> bool:
        """Tell whether anybody else holds the lock."""
        os.lseek(descriptor, _WHERE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return True
        os.lseek(descriptor, _WHERE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        return False
else:
    import fcntl

    def hold(descriptor: int) -> None:
        """Hold the lock until the descriptor is closed. OSError where it cannot be had."""
        fcntl.flock(descriptor, fcntl.LOCK_SH)

    def is_held(descriptor: int) -> bool:
        """Tell whether anybody else holds the lock."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return False
