"""A redis of the test's own, on loopback, that keeps nothing on disk; to be killed, stopped and filled."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import waiting

if TYPE_CHECKING:
    import redis

_PROGRAM = shutil.which("redis-server")


def require() -> None:
    """Skip the test where there is no redis."""
    pytest.importorskip("redis", reason="the package redis is not installed")
    if _PROGRAM is None:
        pytest.skip("redis-server is not installed: the shared cache of answers is not tried")


class RedisServer:
    """One server at one port. What it was told at its start it is told again when it is started again."""

    def __init__(self, directory: Path, flags: tuple[str, ...]) -> None:
        self._directory = directory
        self._flags = flags
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [str(_PROGRAM), "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._directory)]
        self.process = subprocess.Popen(
            [*command, "--save", "", "--appendonly", "no", *self._flags], stdout=subprocess.DEVNULL
        )
        waiting.until(self._listens, "redis-server did not come up")

    def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Have it do nothing until `go_on`."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it do what it has to."""
        self.process.send_signal(signal.SIGCONT)

    def client(self, **options: str) -> redis.Redis:
        """Return a client, to be closed."""
        import redis

        return redis.Redis.from_url(self.url, **options)

    def _listens(self) -> bool:
        assert self.process.poll() is None, "redis-server ended at once"
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def redis_server(directory: Path, *flags: str) -> Iterator[RedisServer]:
    """Run a server; the flags are those of redis-server."""
    require()
    server = RedisServer(directory, flags)
    try:
        yield server
    finally:
        server.go_on()
        server.kill()
