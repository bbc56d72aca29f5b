"""How far a search is, on the terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskbus_client.progress import Progress

Listener = Callable[["Progress"], None]

_PLAIN_EVERY_S = 5.0
"""Where lines are not written over, there are few of them."""


class Bar:
    """Tell how far the search of one picture after the other is."""

    def begin(self, title: str) -> Listener:
        """Begin with a picture; return what is to be told of it."""
        due = time.monotonic() + _PLAIN_EVERY_S

        def tell(progress: Progress) -> None:
            nonlocal due
            if time.monotonic() >= due:
                due = time.monotonic() + _PLAIN_EVERY_S
                line = f"{title}: {progress.done} of {progress.total} points, {progress.found} masks found"
                print(line, file=sys.stderr, flush=True)

        return tell


@contextlib.contextmanager
def shown() -> Iterator[Bar]:
    """Yield what shows progress: a bar where stderr is a terminal, else a line now and then."""
    if not sys.stderr.isatty():
        yield Bar()
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} points, {task.fields[found]} masks found"),
        TimeRemainingColumn(),
    )

    class _Drawn(Bar):
        def begin(self, title: str) -> Listener:
            for task in drawn.task_ids:
                drawn.remove_task(task)
            task = drawn.add_task(escape(title), total=1, found=0)
            return lambda progress: drawn.update(
                task, completed=progress.done, total=progress.total, found=progress.found
            )

    # Gone at the end: what was found is printed then. What goes to a pipe goes there past the bar.
    to_terminal = sys.stdout.isatty()
    with RichProgress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=to_terminal) as drawn:
        yield _Drawn()
