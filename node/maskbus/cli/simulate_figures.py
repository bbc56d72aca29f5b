"""What becomes of a simulated camera's frames, in figures."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from maskbus.cli import tables

_KEPT = 256
_WINDOW_S = 3.0


class Recent:
    """How often something happened lately."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()

    def rate(self, total: int) -> float:
        """Take how often it has happened so far; return how often a second, over the last seconds."""
        now = time.monotonic()
        self._looks.append((now, total))
        while len(self._looks) > 2 and now - self._looks[0][0] > _WINDOW_S:
            self._looks.popleft()
        since, before = self._looks[0]
        return (total - before) / (now - since) if now > since else 0.0


class Ages:
    """How old masks are when they arrive, milliseconds: the last few hundred."""

    def __init__(self) -> None:
        self._kept: deque[float] = deque(maxlen=_KEPT)

    def add(self, milliseconds: float) -> None:
        """Take one."""
        self._kept.append(milliseconds)

    def median(self) -> float | None:
        """Return the middle one; None if there are none."""
        kept = list(self._kept)
        return statistics.median(kept) if kept else None


@dataclass(frozen=True)
class Figures:
    """One camera's, so far."""

    name: str
    due: int
    """Frames that the clock called for."""
    late: int
    """Those of them that were skipped, as this machine had no time to make them."""
    sent: int
    results: int
    dropped: dict[str, int]
    """By cause, here and in the node."""
    errors: int
    """Frames that the node called wrong."""
    reopened: int
    """How often the node had forgotten the stream."""
    age_ms: float | None
    """From the frame until its masks were here, median."""
    compared: int
    """Results that were compared with the truth."""
    iou: float | None
    """Mean IoU of these."""
    rate_sent: float = 0.0
    rate_results: float = 0.0

    def plain(self) -> dict[str, Any]:
        """Return them as JSON takes them, without the rates."""
        names = [name for name in self.__dataclass_fields__ if not name.startswith("rate_")]
        return {name: getattr(self, name) for name in names}


def table(cameras: Sequence[Figures], *, rates: bool) -> Table:
    """Return one row a camera; with the rates of the last seconds, or at the end without."""
    drawn = tables.plain("stream", "late", "sent", "results", right=range(1, 4))
    if rates:
        drawn.add_column("sent/s", justify="right")
        drawn.add_column("results/s", justify="right")
    for name in ("age ms", "IoU"):
        drawn.add_column(name, justify="right")
    drawn.add_column("dropped")
    for one in cameras:
        cells = [escape(one.name), str(one.late), str(one.sent), str(one.results)]
        cells += [f"{one.rate_sent:.1f}", f"{one.rate_results:.1f}"] if rates else []
        cells += ["" if one.age_ms is None else f"{one.age_ms:.0f}", "" if one.iou is None else f"{one.iou:.3f}"]
        drawn.add_row(*cells, _drops(one))
    return drawn


def line(cameras: Sequence[Figures], seconds: float) -> str:
    """Return all cameras in one line."""
    sent, results = sum(one.sent for one in cameras), sum(one.results for one in cameras)
    late, dropped = sum(one.late for one in cameras), sum(sum(one.dropped.values()) for one in cameras)
    words = f"{len(cameras)} cameras, {seconds:.0f} s: {sent} frames sent, {late} too late to be made, "
    words += f"{results} results, {dropped} dropped"
    overlap = mean_iou(cameras)
    return words + (f", mean IoU {overlap:.3f}" if overlap is not None else "")


def mean_iou(cameras: Sequence[Figures]) -> float | None:
    """Return the mean over all results that were compared; None if none was."""
    count = sum(one.compared for one in cameras)
    return sum((one.iou or 0.0) * one.compared for one in cameras) / count if count else None


def _drops(one: Figures) -> str:
    causes = ", ".join(f"{cause}: {count}" for cause, count in sorted(one.dropped.items()) if count)
    more = [f"errors: {one.errors}"] if one.errors else []
    more += [f"opened again: {one.reopened}"] if one.reopened else []
    return "; ".join(filter(None, [causes, *more]))
