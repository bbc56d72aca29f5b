"""How many CPU threads a worker gets where nobody has said it."""

from __future__ import annotations

import os
from collections.abc import Mapping

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What the libraries of a worker read their number of threads from when they are loaded."""


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share(workers: int, environment: Mapping[str, str] = os.environ) -> int:
    """Return the threads of one of `workers` CPU workers that may compute at the same time, at least 1.

    Each gets an equal share of the cores: one that takes them all makes the others wait. Whoever has set
    OMP_NUM_THREADS for the node means its workers.
    """
    wanted = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return max(1, available_cores() // max(1, workers))
