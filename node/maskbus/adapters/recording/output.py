"""The file of a recording, and room on the disk to finish it with when there is no other left."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from typing import IO, Any

RESERVE = 32 << 20
"""Bytes kept free for the last chunk and the index."""
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


class Output:
    """A file that is written from its beginning to its end. When the disk is full, what was kept free is used up."""

    def __init__(self, path: Path, *, force: bool = False, reserve: int = RESERVE) -> None:
        """Make the file.

        Args:
            path: Where.
            force: Whether one that is there already is overwritten.
            reserve: Bytes to keep free, where the system can do that.

        Raises:
            FileExistsError: if it is there already.
            OSError: if it cannot be made.
        """
        self._file = path.open("wb" if force else "xb", buffering=0)
        self._reserve = _keep_free(path.parent, reserve)
        self._position = 0
        self.whole = 0
        """Bytes up to which the file can be read."""
        self.is_full = False
        """Whether the disk is full. What is written from here on had better be little."""

    def write(self, data: bytes) -> int:
        """Append all of `data`. OSError if there is no room for it even so."""
        left = memoryview(data)
        while left:
            try:
                done = self._file.write(left)
            except OSError as error:
                if error.errno not in _FULL or self._reserve is None:
                    raise
                self.is_full = True
                self._reserve.close()
                self._reserve = None
                continue
            self._position += done
            left = left[done:]
        return len(data)

    def tell(self) -> int:
        """Return how many bytes have been written."""
        return self._position

    def flush(self) -> None:
        """Do nothing: what was written is with the system at once."""

    def mark(self) -> None:
        """Note that the file can be read up to here."""
        self.whole = self._position

    def cut(self) -> None:
        """Drop what was written after the last mark, as far as that is possible. Does nothing to a closed file."""
        if not self._file.closed:
            with contextlib.suppress(OSError):
                self._file.truncate(self.whole)

    def close(self) -> None:
        """Close it, and let go of the room that was kept free."""
        if self._reserve is not None:
            self._reserve.close()
        self._file.close()


def _keep_free(directory: Path, nbytes: int) -> IO[Any] | None:
    """Return a file without a name that takes so much room until it is closed; None where that cannot be had."""
    if not hasattr(os, "posix_fallocate"):
        return None
    try:
        held = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 — it is closed by its owner
    except OSError:
        return None
    try:
        os.posix_fallocate(held.fileno(), 0, nbytes)
    except OSError:
        held.close()
        return None
    return held
