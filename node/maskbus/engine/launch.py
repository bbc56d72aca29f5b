"""How a worker comes to life: as a process of its own, or as a thread where no process is wanted."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from maskbus.engine import threads
from maskbus.interfaces import Handler
from maskbus.socket_pair import socket_pair
from maskbus.worker.channel import Channel
from maskbus.worker.serve import OutOfMemory, serve

_ENVIRONMENT = {
    # What lies in the current directory is no module of ours.
    "PYTHONSAFEPATH": "1",
    # OpenMP threads shall sleep, not spin, while they wait: spinning starves whoever shares the cores.
    "OMP_WAIT_POLICY": "passive",
}


@dataclass(frozen=True)
class WorkerSpec:
    """What a worker is to run."""

    number: int
    model: str
    target: str
    device: str = "cpu"
    threads: int = 0
    """CPU threads; 0: planned when it starts, or where it does not run on the CPU, left to its libraries."""
    options: Mapping[str, Any] = field(default_factory=dict)


class Body(Protocol):
    """The process or thread of a worker."""

    pid: int

    def ended(self) -> str | None:
        """Return how it ended, in words, or None while it lives."""

    def kill(self) -> None:
        """End it at once, whatever it is doing."""

    def wait(self, seconds: float) -> bool:
        """Wait for its end; tell whether it came."""


class Launcher(Protocol):
    """Starts workers."""

    def start(self, spec: WorkerSpec) -> tuple[socket.socket, Body]:
        """Start a worker; return the node's end of the line to it, and its body."""


class ProcessLauncher:
    """Start each worker as a fresh interpreter: nothing is inherited but one socket."""

    def __init__(self, *, memory_bytes: int = 0, log_level: str = "info") -> None:
        self._memory_bytes = memory_bytes
        self._log_level = log_level

    def start(self, spec: WorkerSpec) -> tuple[socket.socket, Body]:
        """Start a worker process."""
        ours, theirs = _pair()
        command = [sys.executable, "-m", "maskbus.worker", "--log-level", self._log_level]
        command += ["--memory", str(self._memory_bytes), "--fd", str(theirs.fileno())]
        environment = _ENVIRONMENT | os.environ
        if spec.threads:
            environment |= dict.fromkeys(threads.VARIABLES, str(spec.threads))
        try:
            with theirs:
                return ours, _ProcessBody(_popen(command, environment, theirs))
        except BaseException:
            ours.close()
            raise


class ThreadLauncher:
    """Run each worker as a thread of this process, for tests and tools: same code, same line, no isolation."""

    def __init__(self, handlers: Mapping[str, type[Handler]]) -> None:
        self._handlers = handlers

    def start(self, spec: WorkerSpec) -> tuple[socket.socket, Body]:
        """Start a worker thread."""
        ours, theirs = _pair()
        return ours, _ThreadBody(theirs, self._handlers)


class _ProcessBody:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    def ended(self) -> str | None:
        code = self._process.poll()
        if code is None:
            return None
        return f"ended by signal {-code}" if code < 0 else f"exited with code {code}"

    def kill(self) -> None:
        self._process.kill()

    def wait(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


class _ThreadBody:
    pid = 0

    def __init__(self, connection: socket.socket, handlers: Mapping[str, type[Handler]]) -> None:
        self._connection = connection
        self._handlers = handlers
        self._thread = threading.Thread(target=self._run, name="maskbus worker", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._connection, contextlib.suppress(OutOfMemory):
            serve(Channel(self._connection), self._handlers.__getitem__, orphaned=lambda: None)

    def ended(self) -> str | None:
        return None if self._thread.is_alive() else "ended"

    def kill(self) -> None:
        """Cut the line; the thread ends when it next looks."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def wait(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()


def _pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket_pair()
    for end in (ours, theirs):
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            end.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
    return ours, theirs


if sys.platform == "win32":

    def _popen(command: list[str], environment: dict[str, str], theirs: socket.socket) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=2 if _is_open(2) else subprocess.DEVNULL,  # as below
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
        assert process.stdin is not None
        try:
            with process.stdin as pipe:
                pipe.write(theirs.share(process.pid))
        except BaseException:
            process.kill()
            raise
        return process

    def _is_open(descriptor: int) -> bool:
        """Tell whether there is such a file: programs without a console have no standard error."""
        try:
            os.fstat(descriptor)
        except OSError:
            return False
        return True
else:

    def _popen(command: list[str], environment: dict[str, str], theirs: socket.socket) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=2,  # what a model prints belongs in the log, not in the node's output
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C in a terminal is for the node, which lets workers finish
        )
