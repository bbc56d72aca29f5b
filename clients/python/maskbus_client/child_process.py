"""The child's process: started, waited for until it is ready, and ended so that nothing is left of it."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from maskbus_client.errors import ChildDied

_LONGEST_LINE: Final = 65536
_STOP_PATIENCE: Final = 5.0
"""Seconds the child has to end by itself."""


class ReadyLine(msgspec.Struct):
    """What the child prints once it is ready."""

    ready: bool
    mapping: str
    bytes: int
    generation: int
    bell: str
    pid: int


class ChildProcess:
    """One run of the child. The end of its standard input tells it to end, that of its output tells that it has."""

    def __init__(self, command: Sequence[str], start_timeout: float) -> None:
        """Start it and wait for its ready line.

        Raises:
            ChildDied: if it cannot be started, ends, prints something else, or is not ready in `start_timeout` seconds.
        """
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # Ctrl-C in a terminal is for the parent, which then ends the child.
                start_new_session=os.name != "nt",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except OSError as error:
            raise ChildDied(f"The child {command[0]} cannot be started: {error.strerror}.") from None
        self.ended, self._end = socket.socketpair()
        """Readable as soon as the process has ended."""
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="maskbus child", daemon=True)
        self._reader.start()
        try:
            self.ready = self._wait_until_ready(time.monotonic() + start_timeout, start_timeout)
        except BaseException:
            self.close(patience=0.0)
            raise

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def how_it_ended(self) -> ChildDied:
        """Return the error that says how the process ended; kills one that closed its output and lives on."""
        code = self._wait(_STOP_PATIENCE)
        return ChildDied(_ending(code), exit_code=code)

    def interrupt(self) -> None:
        """Tell the child to end, and do not wait for it."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def close(self, patience: float = _STOP_PATIENCE) -> int:
        """End the process, by force if it takes longer than `patience` seconds; return its exit code."""
        self.interrupt()
        code = self._wait(patience)
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self.ended.close()
        return code

    def _wait(self, patience: float) -> int:
        try:
            return self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _read(self) -> None:
        output = self._process.stdout
        assert output is not None
        self._lines.put(output.readline(_LONGEST_LINE))
        while output.read(4096):
            pass
        self._end.close()

    def _wait_until_ready(self, until: float, patience: float) -> ReadyLine:
        try:
            line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise ChildDied(f"The child was not ready within {patience:g} s.") from None
        if not line:
            code = self._wait(_STOP_PATIENCE)
            raise ChildDied(f"The child was never ready. {_ending(code)}", exit_code=code)
        try:
            return msgspec.json.decode(line, type=ReadyLine)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise ChildDied(f"The child printed {line[:80]!r} where its ready line was due.") from None


def _ending(code: int) -> str:
    return f"The child was ended by signal {-code}." if code < 0 else f"The child exited with code {code}."
