"""Measure round trips through maskbus beside bare pyzmq, imagezmq, gRPC and FastAPI, all in one run.

    python bench/transport.py [--docs] [--json FILE] [--only NAME,…] [--quick]

Servers are child processes on loopback; contenders whose packages are missing are skipped and said so.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NoReturn

import contenders
import machine
import report
from contenders.base import Connection, Contender, Endpoints, Line
from measure import FULL, QUICK, Payloads, Plan, take_turns, verify
from servers import ServerError, Servers

DEFAULT_JSON = Path("bench-out/transport.json")


def main() -> int:
    """Run one contender's server, or the whole benchmark."""
    options = _options()
    if options.server:
        return _serve(_named(options.server), options.scratch)
    signal.signal(signal.SIGTERM, _leave)  # so that the servers are ended as on Ctrl-C
    if options.from_json:
        results = json.loads(options.from_json.read_text(encoding="utf-8"))
    else:
        try:
            results = run(
                [_named(name) for name in options.only] if options.only else list(contenders.ALL),
                QUICK if options.quick else FULL,
                lambda text: print(text, file=sys.stderr, flush=True),
            )
        except (ServerError, RuntimeError, OSError) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 1
        path = options.json or (None if options.quick else DEFAULT_JSON)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
            print(f"wrote {path}", file=sys.stderr)
    print(report.terminal(results))
    if options.docs:
        for path in report.write_docs(results, options.docs):
            print(f"wrote {path}", file=sys.stderr)
    return 0


def run(chosen: list[Contender], plan: Plan, say: Callable[[str], None]) -> report.Results:
    """Start the servers, check every line's answers, measure all lines in turns and return the figures."""
    described = machine.describe()
    payloads = Payloads(machine.last_level_cache())
    skipped: dict[str, str] = {}
    clients: list[tuple[Line, Connection]] = []
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="maskbus-bench-")))
        servers = stack.enter_context(Servers(scratch))
        for contender in chosen:
            missing = contender.missing()
            if missing:
                skipped[contender.name] = f"not installed: {', '.join(missing)}"
                say(f"{contender.name}: skipped, {skipped[contender.name]}")
                continue
            endpoints = servers.start(contender)
            for line in contender.lines:
                if line.transport not in endpoints:
                    skipped[line.key] = f"no {line.transport} on this system"
                    continue
                connection = stack.enter_context(closing(contender.connect(line, endpoints)))
                verify(line, connection, payloads)
                clients.append((line, connection))
            say(f"{contender.name}: ready")
        lines, limits = take_turns(clients, payloads, plan, _progress(plan, say))
    return {
        "machine": described,
        "load_end": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "settings": {
            "rounds": plan.rounds,
            "small": plan.small,
            "frame": plan.frame,
            "warmup": plan.warmup,
            "buffers": len(payloads.arrays),
        },
        "lines": {
            line.key: {
                "label": line.label,
                "transport": line.transport,
                "reference": line.reference,
                "exchanges": {exchange: samples.summary() for exchange, samples in lines[line.key].items()},
            }
            for line, _ in clients
        },
        "limits": {name: samples.summary() for name, samples in limits.items()},
        "skipped": skipped,
    }


def _progress(plan: Plan, say: Callable[[str], None]) -> Callable[[int], None]:
    def told(done: int) -> None:
        if done % 5 == 0 or done == plan.rounds:
            say(f"round {done} of {plan.rounds}")

    return told


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = ", ".join(contender.name for contender in contenders.ALL)
    parser.add_argument("--quick", action="store_true", help="a few calls only: shows that it runs, measures nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help=f"where the figures go (default {DEFAULT_JSON})")
    parser.add_argument("--from-json", type=Path, metavar="FILE", help="report the figures of an earlier run again")
    parser.add_argument("--only", type=lambda text: text.split(","), metavar="NAMES", help=f"some of: {names}")
    parser.add_argument(
        "--docs", type=Path, nargs="?", const=Path("docs"), metavar="FOLDER", help="write performance.md and its plot"
    )
    parser.add_argument("--server", help=argparse.SUPPRESS)
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick and options.docs:
        parser.error("--quick measures nothing that --docs could show")
    return options


def _named(name: str) -> Contender:
    for contender in contenders.ALL:
        if contender.name == name:
            return contender
    raise SystemExit(f"there is no contender {name!r}")


def _serve(contender: Contender, scratch: Path) -> int:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    contender.serve(scratch, _ready)
    return 0


def _ready(endpoints: Endpoints) -> None:
    print(json.dumps({"ready": dict(endpoints)}), flush=True)


def _end_with_parent() -> None:
    """End this server when the other end of its standard input is gone: the benchmark itself may have been killed."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _leave(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
