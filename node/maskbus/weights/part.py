"""The part of a file that has come so far: written, hashed, and kept for the next attempt."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from types import TracebackType
from typing import Any

from maskbus.weights import digest
from maskbus.weights.errors import WeightsError
from maskbus.weights.place import Place
from maskbus.weights.report import Report

_FULL = {errno.ENOSPC, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}


class Part:
    """Append to a file whose digest is known at every moment. Use it as a context manager."""

    def __init__(self, place: Place, report: Report) -> None:
        """Open what is there already, and read it once for the digest."""
        self.place = place
        self.count = 0
        """Bytes that are there."""
        self._report = report
        self._hasher = hashlib.sha256()
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        self._file = os.open(place.part, flags, 0o644)
        try:
            while chunk := os.read(self._file, digest.CHUNK):
                self._hasher.update(chunk)
                self.count += len(chunk)
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Part:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def append(self, chunk: bytes, total: int | None) -> None:
        """Write what has come.

        Raises:
            WeightsError: if there is no room for it; what had come before stays.
        """
        view = memoryview(chunk)
        try:
            while view:
                written = os.write(self._file, view)
                self._hasher.update(view[:written])
                self.count += written
                view = view[written:]
        except OSError as error:
            raise self._unwritable(error, total) from None
        self._report.advances(self.count, total)

    def check_room(self, total: int | None) -> None:
        """Raise `WeightsError` if the disk has no room for the rest."""
        free = shutil.disk_usage(self.place.directory).free
        if total is not None and total - self.count > free:
            raise WeightsError(
                f"{self.place.directory} has {free} bytes free, and the weights of {self.place.entry.name} need "
                f"{total - self.count} more. Make room, or name another directory with --weights-dir."
            )

    def restart(self) -> None:
        """Forget all that has come."""
        os.lseek(self._file, 0, os.SEEK_SET)
        os.ftruncate(self._file, 0)
        self._hasher = hashlib.sha256()
        self.count = 0
        self.place.note.unlink(missing_ok=True)

    def note(self, url: str, validator: str) -> None:
        """Remember where the bytes come from, and what the server calls this version of them."""
        try:
            self.place.note.write_text(json.dumps({"url": url, "validator": validator}))
        except OSError as error:
            raise self._unwritable(error, None) from None

    def validator(self, url: str) -> str:
        """Return what the server at `url` called the version that has come so far; empty if it comes from elsewhere."""
        with contextlib.suppress(OSError, ValueError):
            noted: Any = json.loads(self.place.note.read_bytes())
            if isinstance(noted, dict) and noted.get("url") == url and isinstance(noted.get("validator"), str):
                return str(noted["validator"])
        return ""

    def sha256(self) -> str:
        """Return the digest of what is there."""
        return self._hasher.hexdigest()

    def discard(self) -> None:
        """Remove it: the bytes are wrong."""
        self._close()
        for path in (self.place.part, self.place.note):
            path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Give the file its name, in one step."""
        os.fsync(self._file)
        self._close()
        os.replace(self.place.part, self.place.path)
        self.place.note.unlink(missing_ok=True)
        digest.remember(self.place.path, self.place.path.stat(), self.sha256())

    def _unwritable(self, error: OSError, total: int | None) -> WeightsError:
        if error.errno not in _FULL:
            return WeightsError(f"{self.place.part} cannot be written: {error.strerror}.")
        missing = f" {total - self.count} bytes are missing." if total is not None else ""
        return WeightsError(
            f"No space is left for {self.place.part}.{missing} What has come is kept: make room, and the same command "
            "goes on from there."
        )
