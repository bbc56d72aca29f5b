"""Tables on the terminal, all in one style."""

from __future__ import annotations

import sys
from collections.abc import Collection

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_WIDTH_OF_FILES = 120
"""Columns where the output goes to a file or a pipe, which has no width of its own."""
YES = "[green]✓[/]"
NO = "[red]✗[/]"


def console() -> Console:
    """Return a console on stdout."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES, highlight=False, emoji=False)


def said(text: str) -> str:
    """Return what somebody else has named, as markup: no markup of its own, and no control of the terminal."""
    return escape("".join(one if one.isprintable() else ascii(one)[1:-1] for one in text))


def plain(*columns: str, right: Collection[int] = ()) -> Table:
    """Return a table of these columns without a frame; the columns at the positions `right` are aligned there."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
    for i, name in enumerate(columns):
        # What a line is about comes first, and is the last to be cut.
        table.add_column(name, justify="right" if i in right else "left", overflow="fold", no_wrap=i == 0)
    return table
