"""A node for one command: a real `maskbus serve` on ports of its own, gone when the command is."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from maskbus.cli import ready_line
from maskbus.cli.ready_line import ReadyLine

_ANY_PORT = "tcp://127.0.0.1:*"
_STOP_PATIENCE = 10.0


@contextlib.contextmanager
def running(model: str = "", *, config: str = "") -> Iterator[ReadyLine]:
    """Start a node, yield what it says when it listens, and stop it at the end.

    Its configuration is the user's (environment and file), but for where it listens.

    Args:
        model: The one model to offer; empty: all of them.
        config: A configuration file; empty: the user's own.

    Raises:
        SystemExit: if it does not come up.
    """
    command = [sys.executable, "-m", "maskbus.cli", "serve", "--no-ipc", "--log-level", "warning"]
    command += ["--bind", _ANY_PORT, "--publish", _ANY_PORT]
    if config:
        command += ["--config", config]
    if model:
        command += ["--model", model, "--preload", model, "--default-model", model]
    # Apart from this terminal: Ctrl-C is for the command, which then ends the node.
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        ready = ready_line.parse(line)
        if ready is None:
            # It has said why, on the standard error that it shares with this process.
            raise SystemExit(process.wait() or 1)
        yield ready
    finally:
        process.terminate()
        try:
            process.wait(_STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
