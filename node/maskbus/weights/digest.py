"""The SHA-256 of a file, computed once for as long as the file stays as it is."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHUNK = 1 << 20


def sha256(path: Path, *, afresh: bool = False, advanced: Callable[[int], None] | None = None) -> str:
    """Return the lower-case hex digest of a file.

    Args:
        path: The file.
        afresh: Read it even if its digest is remembered.
        advanced: Told how many bytes have been read.
    """
    if not afresh and (known := remembered(path)):
        return known
    hasher = hashlib.sha256()
    with path.open("rb") as stream:
        status = os.fstat(stream.fileno())
        while chunk := stream.read(CHUNK):
            hasher.update(chunk)
            if advanced is not None:
                advanced(stream.tell())
    # As it was before it was read: if it has changed meanwhile, this is not remembered of what it is now.
    remember(path, status, hasher.hexdigest())
    return hasher.hexdigest()


def remembered(path: Path) -> str | None:
    """Return the digest that this very file had when it was read last; None if it has changed, or nobody has."""
    stamp = _stamp(path)
    try:
        if not _is_trusted(stamp):
            return None
        known = json.loads(stamp.read_bytes())
        if known["of"] == _identity(path.stat()):
            return str(known["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def remember(path: Path, status: os.stat_result, digest: str) -> None:
    """Note the digest of a file beside it, where that directory can be written."""
    stamp = _stamp(path)
    fresh = stamp.with_name(f"{stamp.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        try:
            # Whatever the umask: one that others could have written is not trusted.
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            with open(descriptor, "w") as stream:
                json.dump({"sha256": digest, "of": _identity(status)}, stream)
            os.replace(fresh, stamp)
        except OSError:
            fresh.unlink(missing_ok=True)


def _stamp(path: Path) -> Path:
    return path.with_name(f".{path.name}.checked")


def _identity(status: os.stat_result) -> dict[str, Any]:
    return {
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
        "inode": status.st_ino,
    }


def _is_trusted(stamp: Path) -> bool:
    """Tell whether nobody but this user and the administrator can have written it."""
    if sys.platform == "win32":
        return True
    status = stamp.lstat()
    return status.st_uid in {os.getuid(), 0} and not status.st_mode & 0o022
