"""How much memory this process has."""

from __future__ import annotations

import os


def resident_bytes() -> int:
    """Return the resident memory of this process, bytes."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import psutil

        return int(psutil.Process().memory_info().rss)
