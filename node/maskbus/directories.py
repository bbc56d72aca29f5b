"""Where the node keeps what it needs on disk and in memory: private directories of the user."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path


class UnsafeDirectory(Exception):
    """Say why a directory cannot be trusted with private files."""


def private(path: Path) -> Path:
    """Create `path` for this user alone, or check that it is so, and return it.

    Raises:
        UnsafeDirectory: if it is a link, somebody else's, or open to others.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise UnsafeDirectory(f"{path} is not a directory.") from None
    if sys.platform == "win32":
        return path
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise UnsafeDirectory(f"{path} is not a directory.")
    if status.st_uid != os.getuid():
        raise UnsafeDirectory(f"{path} belongs to another user.")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise UnsafeDirectory(f"{path} is open to other users; run: chmod 700 {path}")
    return path


def _user() -> str:
    return str(os.getuid()) if sys.platform != "win32" else os.environ.get("USERNAME", "user")


def runtime(configured: str = "") -> Path:
    """Return the directory of the ipc sockets."""
    if configured:
        return private(Path(configured).expanduser())
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and Path(base).is_dir() and os.access(base, os.W_OK):
        return private(Path(base) / "maskbus")
    return private(Path(tempfile.gettempdir()) / f"maskbus-{_user()}")


def shared_memory(configured: str = "") -> Path:
    """Return the directory of images in shared memory: on a memory file system where the system has one."""
    if configured:
        return private(Path(configured).expanduser())
    memory = Path("/dev/shm")
    is_there = sys.platform != "win32" and memory.is_dir() and os.access(memory, os.W_OK)
    return private((memory if is_there else Path(tempfile.gettempdir())) / f"maskbus-images-{_user()}")


def weights(configured: str = "") -> Path:
    """Return the directory of model weights; it need not exist."""
    if configured:
        return Path(configured).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", str(Path.home())))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "maskbus" / "weights"
