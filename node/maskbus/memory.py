"""The memory of this process: how much it has, and that it keeps what it has freed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

_MMAP_THRESHOLD = 32 << 20
_TRIM_THRESHOLD = 128 << 20
# As <malloc.h> has them.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def resident_bytes() -> int:
    """Return the resident memory of this process, bytes."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError), open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import psutil

    return int(psutil.Process().memory_info().rss)


def keep_freed_memory() -> None:
    """Have glibc keep freed memory of a picture's size for the next picture.

    By default it gives every such block back to the system on free, and the next one is paid for page by page, which
    costs as much as copying it. Elsewhere than on glibc nothing is done.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):  # musl has no mallopt
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)
