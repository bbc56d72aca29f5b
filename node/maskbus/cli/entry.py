"""Find the command, run it, and turn what goes wrong into one line."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType

from maskbus.cli.failure import explain
from maskbus.cli.parser import build

INTERRUPTED = 128 + signal.SIGINT


def run(arguments: Sequence[str] | None = None) -> int:
    """Parse `arguments` (left out: the process's own), run the command they name, and return the exit code."""
    parsed = build().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a console that has no ✓ shall not end the command
    try:
        with _termination():
            # Imported only now, so that `maskbus --help` does not wait for what the commands need.
            code: int = importlib.import_module(parsed.module).run(parsed)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough (`maskbus stats | head`). Python would flush once more when it ends.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        failure = explain(error)
        if failure is None:
            raise  # a bug: hiding where it is would help nobody
        print(f"maskbus: {failure}", file=sys.stderr)
        return 1


@contextlib.contextmanager
def _termination() -> Iterator[None]:
    """Have SIGTERM and SIGHUP unwind the stack: a plain end would leave behind a node that this process started."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # What is ignored stays so: `nohup maskbus serve` outlives its terminal.
    numbers = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, _terminate) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
