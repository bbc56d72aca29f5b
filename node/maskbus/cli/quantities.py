"""Bytes, times and numbers in words."""

from __future__ import annotations

import argparse
import re

_UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}


def amount(count: float) -> str:
    """Return a number of bytes in words, such as "5.1 MiB"."""
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def counted(count: int, thing: str) -> str:
    """Return a number of things in words, such as "1 mask" or "2 masks"."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def duration(seconds: float) -> str:
    """Return a span of time in words, such as "04:05:06" or "3 d 04:05:06"."""
    whole = int(seconds)
    clock = f"{whole // 3600 % 24:02}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 86400} d {clock}" if whole >= 86400 else clock


def nbytes(text: str) -> int:
    """Read a number of bytes such as "64MiB", "1.5 GiB" or "1048576"."""
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]*)", text.strip())
    unit = next((size for name, size in _UNITS.items() if found and name.lower() == found[2].lower()), None)
    if found is None or unit is None:
        raise argparse.ArgumentTypeError(f"a size is a number with or without a unit, such as 64MiB, not {text!r}")
    return int(float(found[1]) * unit)
