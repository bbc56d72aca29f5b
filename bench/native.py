"""Measure round trips of the C++ client, over sockets and through shared memory, beside bare cppzmq, in one run.

    python bench/native.py [--docs] [--quick]

Needs CMake, a compiler and what the C++ client needs (`make cpp` says what is missing).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import machine
from page import replace_section

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "bench"
QUICK_BUILD = ROOT / "build" / "bench-quick"
"""Neither optimised nor for a debugger: what measures nothing need not take long to compile."""
JSON = Path("bench-out/native.json")
READY_S = 60.0

Figures = dict[str, dict[str, float]]

ROWS = (
    ("bare cppzmq REQ/REP, tcp", ("bare-small-tcp", "bare-frame-tcp", "bare-mask-tcp")),
    ("bare cppzmq REQ/REP, ipc", ("bare-small-ipc", "bare-frame-ipc", "bare-mask-ipc")),
    ("maskbus, attachments, tcp", (None, "frame-tcp", "mask-tcp")),
    ("maskbus, attachments, ipc", (None, "frame-ipc", "mask-ipc")),
    ("maskbus, copied into shared memory, rung over tcp", (None, "shm-copy-frame-tcp", "shm-copy-mask-tcp")),
    ("maskbus, copied into shared memory, rung over ipc", (None, "shm-copy-frame-ipc", "shm-copy-mask-ipc")),
    ("maskbus, written in shared memory, rung over tcp", (None, "shm-place-frame-tcp", "shm-place-mask-tcp")),
    ("maskbus, written in shared memory, rung over ipc", (None, "shm-place-frame-ipc", "shm-place-mask-ipc")),
    ("a click on a kept image, without the model, tcp", ("click-tcp", None, None)),
    ("a click on a kept image, without the model, ipc", ("click-ipc", None, None)),
)
HEADS = ("", "small → small", "1080p frame → small answer", "1080p frame → 1080p mask")


def main() -> int:
    """Build, measure, report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few calls only: shows that it runs, measures nothing")
    parser.add_argument("--docs", action="store_true", help="write the section of docs/performance.md")
    options = parser.parse_args()
    if options.quick and options.docs:
        parser.error("--quick measures nothing that --docs could show")
    try:
        folder = QUICK_BUILD if options.quick else BUILD
        build(folder)
        figures = run(folder, 2, 5) if options.quick else run(folder, 40, 25)
    except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    if not options.quick:
        JSON.parent.mkdir(parents=True, exist_ok=True)
        JSON.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    text = markdown(figures)
    print(text)
    if options.docs:
        replace_section(ROOT / "docs" / "performance.md", "native", text)
    return 0


def build(folder: Path) -> None:
    """Compile the programs; nothing happens where they are up to date."""
    if not (folder / "CMakeCache.txt").exists():
        quick = ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O0"]
        quick += ["-DCMAKE_UNITY_BUILD=ON", "-DCMAKE_UNITY_BUILD_BATCH_SIZE=0"]
        options = quick if folder == QUICK_BUILD else ["-DCMAKE_BUILD_TYPE=Release"]
        command = ["cmake", "-S", ROOT / "bench" / "native", "-B", folder, *options]
        subprocess.run(command, check=True, stdout=sys.stderr)
    subprocess.run(["cmake", "--build", folder, "--parallel", str(os.cpu_count() or 2)], check=True, stdout=sys.stderr)


def run(folder: Path, rounds: int, calls: int) -> Figures:
    """Start a bare server and a node, measure all lines in turns, and return the figures by line."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="maskbus-bench-")))
        bare = [folder / "bare_server", "tcp://127.0.0.1:*", f"ipc://{scratch}/bare"]
        bare_endpoints = json.loads(stack.enter_context(server(bare)))["ready"]
        node = [sys.executable, "-m", "maskbus", "serve", "--model", "echo", "--default-model", "echo", "--no-ipc"]
        node += ["--log-level", "warning", "--bind", "tcp://127.0.0.1:*", "--bind", f"ipc://{scratch}/node"]
        node += ["--publish", "tcp://127.0.0.1:*"]
        from maskbus.cli.ready_line import parse

        said = parse(stack.enter_context(server(node)))
        assert said is not None
        endpoints = [*sorted(bare_endpoints, reverse=True), *sorted(said.endpoints, reverse=True)]
        program = [folder / "round_trips", *endpoints, str(rounds), str(calls)]
        done = subprocess.run(program, stdout=subprocess.PIPE, check=True, timeout=900)
    figures: Figures = json.loads(done.stdout)
    return figures


@contextmanager
def server(command: list[Any]) -> Iterator[str]:
    """Run a server for the length of a `with` block; give the first line it says."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MASKBUS_")}
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{command[0]} ended before it was ready")
        yield line
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(10)
        process.stdout.close()


def targets(figures: Figures) -> Iterator[tuple[str, float, float, bool]]:
    """Return what was to be reached: a sentence, the figure, its bound, and whether less is better."""
    median = {name: line["median_us"] for name, line in figures.items()}
    tcp = median["frame-tcp"]
    yield "frame over tcp / bare cppzmq, small answer in both", tcp / median["bare-frame-tcp"], 1.6, True
    yield "frame over tcp / bare cppzmq that echoes the frame", tcp / median["bare-echo-tcp"], 1.6, True
    limit = 3 * median["memcpy-warm"] + median["bare-small-ipc"]
    for name, how in (("shm-copy-frame-ipc", "copied into"), ("shm-place-frame-ipc", "written in")):
        yield f"frame {how} shared memory / (3 × warm memcpy + bare ipc)", median[name] / limit, 1.0, True
        yield f"frame over tcp / frame {how} shared memory", tcp / median[name], 4.0, False
    for over in ("tcp", "ipc"):
        yield f"bus's share of a click on a kept image over {over}, µs", median[f"click-{over}"], 300.0, True


def markdown(figures: Figures) -> str:
    """Return the section of the documentation."""
    parts = ["<!-- written by `bench/native.py --docs` -->", "", _row(HEADS), _row(("---", *["---:"] * 3))]
    parts += [_row((label, *(_cell(figures, name) for name in names))) for label, names in ROWS]
    warm = figures["memcpy-warm"]["median_us"]
    parts += [
        "",
        f"Median (p99). One warm copy of the frame in memory takes {warm:.0f} µs; the frame there and back whole, bare "
        f"cppzmq without a copy, {_cell(figures, 'bare-echo-tcp')} over tcp, "
        f"{_cell(figures, 'bare-echo-ipc')} over ipc.",
        "",
        "| target | | measured | |",
        "| --- | ---: | ---: | :---: |",
    ]
    for sentence, figure, bound, less in targets(figures):
        met = figure <= bound if less else figure >= bound
        digits = 0 if bound >= 100 else 2
        sign = "≤" if less else "≥"
        parts.append(_row((sentence, f"{sign} {bound:g}", f"{figure:.{digits}f}", "✓" if met else "✗")))
    calls = int(figures["frame-tcp"]["calls"])
    parts += [
        "",
        f"How: {calls} calls a line, in blocks of 25 with the order of the lines new in each round, each block after 4 "
        "untimed calls. The frame lies in one buffer, as a camera's does, and is stamped anew for each call. "
        "“Copied”: the client copies it into a slot; “written”: a driver would have written it there. A click's time "
        "is the round trip less what the worker spent on the model and on writing the mask.",
        "",
        f"Machine: {machine.sentence(machine.describe())}.",
    ]
    return "\n".join(parts)


def _cell(figures: Figures, name: str | None) -> str:
    if name is None:
        return ""
    return f"{_time(figures[name]['median_us'])} ({_time(figures[name]['p99_us'])})"


def _time(microseconds: float) -> str:
    return f"{microseconds:.0f} µs" if microseconds < 1000 else f"{microseconds / 1000:.2f} ms"


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
