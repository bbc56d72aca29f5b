"""A node in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

HERE = Path(__file__).resolve().parent


class Node(NamedTuple):
    """A node that listens."""

    tcp: str
    ipc: str
    process: psutil.Process

    def rss(self) -> int:
        """Return the resident bytes of the node and its workers."""
        total = 0
        for process in [self.process, *self.process.children(recursive=True)]:
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total


@contextmanager
def node(scratch: Path, model: str, config: Sequence[str] = ()) -> Iterator[Node]:
    """Run a node that serves one model; end it in the end, whatever happened.

    Args:
        scratch: A directory for its files.
        model: Name of the model.
        config: Lines of its configuration file.
    """
    file = scratch / "node.toml"
    file.write_text("\n".join(config), encoding="utf-8")
    # A user's own settings of a node must not shape what is measured.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MASKBUS_")}
    environment["PYTHONPATH"] = str(HERE.parent)
    command = [sys.executable, "-m", "maskbus.cli", "serve", "--config", str(file), "--model", model]
    command += ["--bind", "tcp://127.0.0.1:*", "--publish", "tcp://127.0.0.1:*", "--runtime-dir", str(scratch / "run")]
    with (scratch / "node.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        words = line.replace(",", " ").split()
        endpoints = [word for word in words if "://" in word]
        if not endpoints:
            raise RuntimeError(f"The node did not come up: {(scratch / 'node.log').read_text()[-500:]}")
        tcp = next(word for word in endpoints if word.startswith("tcp://"))
        ipc = next((word for word in endpoints if word.startswith("ipc://")), "")
        yield Node(tcp, ipc, psutil.Process(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
