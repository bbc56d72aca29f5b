"""Tables on the terminal, all in one style, and quantities in words."""

from __future__ import annotations

import sys
from collections.abc import Collection

from rich import box
from rich.console import Console
from rich.table import Table

_WIDTH_OF_FILES = 120
"""Columns where the output goes to a file or a pipe, which has no width of its own."""
YES = "[green]✓[/]"
NO = "[red]✗[/]"
NEITHER = "[dim]·[/]"


def console() -> Console:
    """Return a console on stdout."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES, highlight=False, emoji=False)


def plain(*columns: str, right: Collection[int] = (), title: str = "") -> Table:
    """Return a table of these columns without a frame; the columns at the positions `right` are aligned there."""
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        title=title or None,
        title_justify="left",
        title_style="bold",
        header_style="dim",
    )
    for i, name in enumerate(columns):
        table.add_column(name, justify="right" if i in right else "left")
    return table


def amount(count: float) -> str:
    """Return a number of bytes in words."""
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def duration(seconds: float) -> str:
    """Return a span of time in words: "3 d 04:05:06", "04:05:06"."""
    whole = int(seconds)
    clock = f"{whole // 3600 % 24:02}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 86400} d {clock}" if whole >= 86400 else clock
