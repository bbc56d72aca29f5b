"""Start the contenders' servers as child processes, wait for their word that they are ready, and end them."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from contenders.base import Contender, Endpoints

READY_S = 60.0
END_S = 10.0


class ServerError(RuntimeError):
    """A server that did not come up, with the end of what it wrote."""


class Servers:
    """The servers of one run; leaving the context ends every one of them, whatever happened."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._running: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._running:
            process.terminate()
        deadline = time.monotonic() + END_S
        for process in self._running:
            _end(process, deadline)

    def start(self, contender: Contender) -> Endpoints:
        """Start one contender's server and return its endpoints as soon as it says that it is ready."""
        log = self._scratch / f"{contender.name}.log"
        harness = Path(__file__).with_name("transport.py")
        # A user's own settings of a node must not shape what is measured.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MASKBUS_")}
        with log.open("w") as stderr:
            # A session of its own: Ctrl-C reaches this process alone, which then ends the servers in order.
            process = subprocess.Popen(
                [sys.executable, str(harness), "--server", contender.name, "--scratch", str(self._scratch)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )
        self._running.append(process)
        lines: queue.Queue[str | None] = queue.Queue()
        assert process.stdout is not None
        threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True).start()
        said: list[str] = []
        deadline = time.monotonic() + READY_S
        while True:
            try:
                line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise ServerError(f"{contender.name}: not ready after {READY_S:.0f} s{_tail(said, log)}") from None
            if line is None:
                raise ServerError(f"{contender.name}: ended before it was ready{_tail(said, log)}")
            said.append(line)
            endpoints = contender.read_ready(line)
            if endpoints is not None:
                return endpoints


def _forward(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    """Read on after the ready line too: a full pipe would stop a server that logs to it."""
    with contextlib.suppress(ValueError):  # the stream was closed
        for line in stream:
            lines.put(line.strip())
    lines.put(None)


def _tail(said: list[str], log: Path) -> str:
    written = [*said, *log.read_text(errors="replace").splitlines()]
    return "".join(f"\n    {line}" for line in written[-12:])


def _end(process: subprocess.Popen[str], deadline: float) -> None:
    try:
        process.wait(timeout=max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)  # its own session, so this is the server and its children only
        else:
            process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
