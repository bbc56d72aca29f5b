"""What this machine's processor can do."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


@cache
def _described() -> dict[str, str]:
    """Return what Linux says of the first core; empty elsewhere."""
    try:
        text = _CPUINFO.read_text()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def name() -> str:
    """Return the processor's name, as far as the system tells."""
    return _described().get("model name") or platform.processor() or platform.machine()


def cores() -> int:
    """Return how many logical cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_bfloat16() -> bool:
    """Tell whether it multiplies bfloat16 in hardware: emulated, that is slower than float32."""
    described = _described()
    flags = f"{described.get('flags', '')} {described.get('Features', '')}".split()
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)
