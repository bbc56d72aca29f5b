"""How far a download is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from maskbus.cli.quantities import amount
from maskbus.weights.report import Report

_LINES_EVERY_S = 5.0


@contextlib.contextmanager
def shown(name: str) -> Iterator[Report]:
    """Show on standard error what is reported while the context lasts."""
    if sys.stderr.isatty():
        with _bar(name) as report:
            yield report
    else:
        yield Lines(name)


class Lines:
    """Write a line when something happens, and every few seconds how much is there."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._last = time.monotonic()

    def says(self, sentence: str) -> None:
        """Write the sentence."""
        print(f"{self._name}: {sentence}", file=sys.stderr, flush=True)

    def advances(self, done: int, total: int | None) -> None:
        """Write how much is there, if the last line is old."""
        now = time.monotonic()
        if now - self._last >= _LINES_EVERY_S:
            self._last = now
            self.says(f"{amount(done)} of {amount(total)}, {100 * done / total:.0f} %" if total else amount(done))


@contextlib.contextmanager
def _bar(name: str) -> Iterator[Report]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True, highlight=False, emoji=False), transient=True)
    task = progress.add_task(escape(name), total=None)

    class Bar:
        def says(self, sentence: str) -> None:
            progress.console.print(escape(f"{name}: {sentence}"), soft_wrap=True)

        def advances(self, done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total)

    with progress:
        yield Bar()
