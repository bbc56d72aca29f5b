"""Nodes and clients as processes of their own, to be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from maskbus.cli import ready_line


class NodeProcess:
    def __init__(self, process: subprocess.Popen[str], endpoint: str, topics: str) -> None:
        self.process = process
        self.endpoint = endpoint
        self.topics = topics

    def kill(self) -> None:
        """Kill -9 the node, and nothing but the node."""
        self.process.kill()
        self.process.wait()

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(30)


@contextmanager
def node_process(
    *flags: str, directory: Path | None = None, bind: str = "tcp://127.0.0.1:*", models: Sequence[str] = ("echo",)
) -> Iterator[NodeProcess]:
    """Run `maskbus serve`; everything it prints besides its ready line goes to the test's standard error."""
    command = [sys.executable, "-m", "maskbus", "serve", "--no-ipc", "--bind", bind, "--publish", "tcp://127.0.0.1:*"]
    for model in models:
        command += ["--model", model]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MASKBUS_")}
    process = subprocess.Popen(
        [*command, "--default-model", models[0], *flags],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=directory,
    )
    assert process.stdout is not None
    try:
        ready = ready_line.parse(process.stdout.readline())
        assert ready is not None, f"the node ended with {process.wait(10)} before it was ready"
        yield NodeProcess(process, ready.endpoints[0], ready.publish_endpoints[0])
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.stdout.close()
            process.wait()
