"""Bytes and times in words."""

from __future__ import annotations


def amount(count: float) -> str:
    """Return a number of bytes in words, such as "5.1 MiB"."""
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def duration(seconds: float) -> str:
    """Return a span of time in words, such as "04:05:06" or "3 d 04:05:06"."""
    whole = int(seconds)
    clock = f"{whole // 3600 % 24:02}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 86400} d {clock}" if whole >= 86400 else clock
