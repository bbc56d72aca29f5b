"""Tables on the terminal, all in one style."""

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


def console() -> Console:
    """Return a console on stdout."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES, highlight=False, emoji=False)


def plain(*columns: str, right: Collection[int] = ()) -> Table:
    """Return a table of these columns without a frame; the columns at the positions `right` are aligned there."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
    for i, name in enumerate(columns):
        # What a line is about comes first, and is the last to be cut.
        table.add_column(name, justify="right" if i in right else "left", overflow="fold", no_wrap=i == 0)
    return table
