"""The directory of one run of the node in shared memory, held by a lock that outlives no process."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path

from maskbus import file_lock

_LOCK = "lock"


class InstanceDirectory:
    """Own a private directory for as long as this process lives; sweep those whose owner was killed.

    The lock is the operating system's, on an open file: it is freed by any death, kill -9 included, so whoever can take
    it knows that the owner is gone. Age plays no part.
    """

    def __init__(self, parent: Path) -> None:
        with file_lock.held(parent / "sweep.lock"):
            self.swept = _sweep(parent)
            """How many directories of dead nodes were removed."""
            self.path = parent / secrets.token_hex(8)
            self.path.mkdir(mode=0o700)
            self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            file_lock.take(self._lock, wait=False)

    def close(self) -> None:
        """Remove the directory and all that is in it."""
        if self._lock < 0:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)
        self._lock = -1
        with contextlib.suppress(OSError):  # Windows cannot remove a file that is open
            shutil.rmtree(self.path)


def _sweep(parent: Path) -> int:
    swept = 0
    for directory in parent.iterdir():
        if not directory.is_dir() or directory.is_symlink():
            continue
        try:
            lock = os.open(directory / _LOCK, os.O_RDWR)
        except OSError:
            # Killed between making the directory and its lock; the sweep lock tells that it is not being made.
            lock = -1
        try:
            if lock >= 0 and not file_lock.take(lock, wait=False):
                continue
            shutil.rmtree(directory, ignore_errors=True)
            swept += 1
        finally:
            if lock >= 0:
                os.close(lock)
        shutil.rmtree(directory, ignore_errors=True)  # Windows cannot remove a lock that is open
    return swept
