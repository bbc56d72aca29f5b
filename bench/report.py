"""Make the tables, the targets, the plot and the section of the documentation from the figures of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
from contenders.base import FRAME_BYTES, Exchange
from measure import MEMCPY_COLD, MEMCPY_WARM
from page import replace_section

Results = dict[str, Any]  # as `transport.run` makes it and the JSON file holds it

HEADS: dict[Exchange, str] = {
    "small": "64 bytes → small answer",
    "frame": "1080p frame → small answer",
    "mask": "1080p frame → 1080p mask",
}


@dataclass(frozen=True)
class Target:
    """`subject` against `other` in one exchange: at most `limit` times its time, or at least `limit` times faster."""

    subject: str
    other: str
    exchange: Exchange
    limit: float
    faster: bool = False


TARGETS: tuple[Target, ...] = (
    Target("maskbus-tcp", "pyzmq-tcp", "small", 4.0),
    Target("maskbus-tcp", "pyzmq-tcp", "frame", 1.6),
    Target("maskbus-tcp", "pyzmq-tcp", "mask", 1.6),
    Target("maskbus-ipc", "pyzmq-ipc", "frame", 2.0),
    Target("maskbus-ipc", "pyzmq-ipc", "mask", 2.0),
    *(Target(f"maskbus-{how}-ipc", "maskbus-tcp", "frame", 4.0, faster=True) for how in ("shm", "placed")),
    *(
        Target(subject, other, "frame", 1.5, faster=True)
        for subject in ("maskbus-tcp", "maskbus-ipc")
        for other in ("grpc", "grpc-array")
    ),
    *(
        Target(subject, other, "frame", 3.0, faster=True)
        for subject in ("maskbus-tcp", "maskbus-ipc")
        for other in ("fastapi-raw", "fastapi-multipart", "fastapi-fast-raw", "fastapi-fast-multipart")
    ),
)


def terminal(results: Results) -> str:
    """Return the whole report as text."""
    rows = [_heads(), *_rows(results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = [
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in _cells(row, widths)
        )
        for row in rows
    ]
    table.insert(1, "  ".join("-" * width for width in widths))
    load = results["machine"]["load"]
    parts = [
        machine.sentence(results["machine"]),
        f"load average at the start {load[0] if load else 'unknown'}, at the end {results['load_end'] or 'unknown'}",
        "",
        *table,
        "",
        *_limit_sentences(results),
        *(f"skipped: {name} ({why})" for name, why in results["skipped"].items()),
        "",
        *(f"{mark} {text}" for mark, text in judged(results)),
    ]
    return "\n".join(parts)


def markdown(results: Results, plot: str) -> str:
    """Return the section of the documentation; `plot` is the picture's path from the page."""
    heads, rows = _heads(), list(_rows(results))
    parts = [
        "<!-- written by `bench/transport.py --docs` -->",
        "",
        f"![Round trips by contender]({plot})",
        "",
        _row(heads),
        _row(["---", *["---:"] * (len(heads) - 1)]),
        *(_row(row) for row in rows),
        "",
        "Median (p99) of the round trip; × is the median over that of bare pyzmq on the same transport.",
        *_limit_sentences(results),
        "",
        "| target | measured | |",
        "| --- | ---: | :---: |",
        *(_row([*text.rsplit(": ", 1), mark]) for mark, text in judged(results)),
        "",
        _method(results["settings"]),
        "",
        f"Machine: {machine.sentence(results['machine'])}.",
    ]
    if results["skipped"]:
        parts += ["", "Skipped: " + "; ".join(f"{name} ({why})" for name, why in results["skipped"].items()) + "."]
    return "\n".join(parts)


def write_docs(results: Results, folder: Path) -> list[Path]:
    """Write `performance.md` (the part between the markers only) and `images/transport.png`; return their paths."""
    page, picture = folder / "performance.md", folder / "images" / "transport.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(results, picture)
    replace_section(page, "transport", markdown(results, "images/transport.png"))
    return [page, picture]


def judged(results: Results) -> Iterator[tuple[str, str]]:
    """Return a mark and a sentence for each target whose two sides were measured."""
    labels = {key: line["label"] for key, line in results["lines"].items()}
    for target in TARGETS:
        subject, other = (median(results, key, target.exchange) for key in (target.subject, target.other))
        if subject is None or other is None:
            continue
        ratio = other / subject if target.faster else subject / other
        met = ratio >= target.limit if target.faster else ratio <= target.limit
        goal = f"≥ {target.limit:g}× faster than" if target.faster else f"≤ {target.limit:g}×"
        text = f"{HEADS[target.exchange]}, {labels[target.subject]}, {goal} {labels[target.other]}: {ratio:.2f}×"
        yield "✓" if met else "✗", text
    bell = median(results, "pyzmq-ipc", "small")
    for key in ("maskbus-shm-ipc", "maskbus-placed-ipc"):
        shared = median(results, key, "frame")
        if shared is None or bell is None:
            continue
        ratio = shared / (3 * results["limits"][MEMCPY_WARM]["median_us"] + bell)
        text = f"{HEADS['frame']}, {labels[key]}, ≤ 1× three warm copies and a bare round trip over ipc: {ratio:.2f}×"
        yield "✓" if ratio <= 1 else "✗", text


def median(results: Results, key: str, exchange: Exchange) -> float | None:
    """Return the median in microseconds, None if that was not measured."""
    figures = results["lines"].get(key, {}).get("exchanges", {}).get(exchange)
    return None if figures is None else float(figures["median_us"])


def draw(results: Results, path: Path) -> None:
    """Draw one panel of horizontal bars an exchange, on a log axis, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    keys = [key for key, line in results["lines"].items() if not line["reference"]]
    cold = results["limits"][MEMCPY_COLD]["median_us"]
    figure, axes = pyplot.subplots(
        1, len(HEADS), figsize=(13, 1.6 + 0.36 * len(keys)), sharey=True, layout="constrained"
    )
    for axis, (exchange, head) in zip(axes, HEADS.items(), strict=True):
        medians = [median(results, key, exchange) or float("nan") for key in keys]
        tails = [results["lines"][key]["exchanges"][exchange]["p99_us"] for key in keys]
        axis.barh(range(len(keys)), medians, height=0.66, color=[_colour(key) for key in keys])
        for index, (middle, tail) in enumerate(zip(medians, tails, strict=True)):
            axis.plot([middle, tail], [index, index], color="#444444", linewidth=1, zorder=3)
            axis.plot([tail], [index], marker="|", color="#444444", markersize=6, zorder=3)
            axis.text(max(middle, tail) * 1.12, index, _time(middle), va="center", fontsize=9)
        axis.set_xscale("log")
        lowest = min(medians) if exchange == "small" else min(cold, *medians)
        axis.set_xlim(lowest / 2, max(*medians, *tails) * 4.5)
        axis.set_title(head, fontsize=11)
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0,)))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _time(value, digits=0)))
        axis.grid(axis="x", color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        if exchange != "small":
            axis.axvline(cold, color="#b03060", linestyle=":", linewidth=1.4, zorder=4, label="one copy of the frame")
    axes[0].set_yticks(range(len(keys)), [results["lines"][key]["label"] for key in keys])
    axes[0].invert_yaxis()
    axes[1].legend(loc="upper right", fontsize=8, frameon=False, bbox_to_anchor=(1.0, -0.08))
    figure.supxlabel("round trip: bar = median, whisker = p99 (log axis)", fontsize=10)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _colour(key: str) -> str:
    if key.startswith("maskbus"):
        return "#1f77b4"
    return "#9a9a9a" if key.startswith("pyzmq") else "#e0a050"


def _time(microseconds: float, digits: int | None = None) -> str:
    if microseconds < 1000:
        return f"{microseconds:.0f} µs"
    milliseconds = microseconds / 1000
    return f"{milliseconds:.{digits if digits is not None else 2 if milliseconds < 10 else 1}f} ms"


def _heads() -> list[str]:
    return ["", *(cell for head in HEADS.values() for cell in (head, "×"))]


def _rows(results: Results) -> Iterator[list[str]]:
    for line in results["lines"].values():
        row = [line["label"]]
        for exchange in HEADS:
            figures = line["exchanges"][exchange]
            base = median(results, f"pyzmq-{line['transport']}", exchange)
            row.append(f"{_time(figures['median_us'])} ({_time(figures['p99_us'])})")
            row.append("" if base is None else f"{figures['median_us'] / base:.2f}")
        yield row


def _limit_sentences(results: Results) -> list[str]:
    cold, warm = (results["limits"][name]["median_us"] for name in (MEMCPY_COLD, MEMCPY_WARM))
    echoes = [
        f"{_time(figures['median_us'])} ({_time(figures['p99_us'])}) over {line['transport']}"
        for line in results["lines"].values()
        if (figures := line["exchanges"].get("echo")) is not None
    ]
    sentences = [f"One copy of the frame in memory takes {_time(cold)} cold, {_time(warm)} warm."]
    if echoes:
        sentences.append(f"The frame there and back whole, bare pyzmq without a copy: {', '.join(echoes)}.")
    return sentences


def _method(settings: dict[str, int]) -> str:
    frames, megabytes = settings["buffers"], settings["buffers"] * FRAME_BYTES / 1e6
    return (
        f"How: client and server are processes of their own. In each of {settings['rounds']} rounds every contender "
        f"has its turn, in a new order, with a block of {settings['frame']} calls ({settings['small']} small ones) "
        f"after {settings['warmup']} untimed ones; the client's garbage collector is off inside a block. The payload "
        f"rotates over {frames} frames ({megabytes:.0f} MB), each array stamped anew. Every server views the frame as "
        "an array and answers its size, or a freshly filled mask. gRPC and httpx take `bytes` only and get them "
        "ready-made; one gRPC line starts from an array as all others do, and pays for the copy and the page faults of "
        "the fresh memory that it lands in. gRPC runs generic handlers without protobuf, which is the faster way. "
        "FastAPI spools an upload over 1 MB to a temporary file, as it comes. maskbus is the whole node: validation, "
        "scheduling, a worker process with the model `echo`."
    )


def _cells(row: Sequence[str], widths: Sequence[int]) -> Iterator[tuple[int, tuple[str, int]]]:
    return enumerate(zip(row, widths, strict=True))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
