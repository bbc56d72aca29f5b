"""How far a stream is, on the terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

Look = Callable[[], tuple[int, str]]
"""Returns how many frames there were, and what became of them in words."""
Tick = Callable[[], None]
"""To be called now and then: with each frame, say."""

_EVERY_S = 0.25
_PLAIN_EVERY_S = 5.0
"""Where lines are not written over, there are few of them."""


@contextlib.contextmanager
def shown(title: str, count: int | None, look: Look) -> Iterator[Tick]:
    """Show progress on stderr while the block runs: a bar where it is a terminal, else a line now and then.

    Args:
        title: What is looked at.
        count: How many frames there are; None: nobody knows.
        look: Asked for what is to be shown.
    """
    if not sys.stderr.isatty():
        yield _seldom(_PLAIN_EVERY_S, lambda: print(f"maskbus: {title}: {look()[1]}", file=sys.stderr, flush=True))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    time_column = TimeElapsedColumn() if count is None else TimeRemainingColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"), time_column)
    # Gone at the end: what came of it is printed then. What is printed meanwhile goes past the bar.
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()) as drawn:
        task = drawn.add_task(escape(title), total=count, words="")

        def draw() -> None:
            frames, words = look()
            drawn.update(task, completed=frames, words=escape(words))

        yield _seldom(_EVERY_S, draw)


def _seldom(seconds: float, act: Callable[[], None]) -> Tick:
    due = time.monotonic() + seconds

    def tick() -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + seconds
            act()

    return tick
