"""The gateway of `maskbus serve --http`: a process of its own, started again if it ends, and gone when the node is."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from maskbus.cli import http_line
from maskbus.cli.failure import CommandFailed
from maskbus.cli.http_flags import Address
from maskbus.cli.http_line import HttpLine
from maskbus.config import Config
from maskbus_client.keys import CLIENT_VARIABLE, SERVER_VARIABLE

log = logging.getLogger(__name__)

_PAUSE = 0.5
"""Seconds before it is started again; doubled each time it ends early."""
_LONGEST_PAUSE = 30.0
_SETTLED = 60.0
"""Seconds after which it has not ended early."""
_FAREWELL = 8.0
"""Seconds that it has to end."""


def way_to(listening: Sequence[str]) -> str:
    """Return how a process of this machine reaches a node that listens at these endpoints."""
    for endpoint in listening:
        if endpoint.startswith("ipc://"):
            return endpoint
    host, _, port = listening[0].partition("://")[2].rpartition(":")
    anywhere = {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "[::]": "[::1]"}
    return f"tcp://{anywhere.get(host, host)}:{port}"


def environment(variables: Mapping[str, str], config: Config) -> dict[str, str]:
    """Return the variables of a gateway in front of a node of this configuration, whose public key it has to know.

    Raises:
        CommandFailed: if the node keeps a list of its clients, and the gateway is to have no key.
    """
    others = {name: value for name, value in variables.items() if name != SERVER_VARIABLE}
    if not config.secret_key_file:
        return others
    if config.client_keys_dir and not variables.get(CLIENT_VARIABLE):
        raise CommandFailed(
            f"client_keys_dir: name the file with the gateway's own secret key in {CLIENT_VARIABLE}; its public key "
            f"lies in {config.client_keys_dir}."
        )
    from zmq.auth import load_certificate

    public, _ = load_certificate(Path(config.secret_key_file).expanduser())
    return others | {SERVER_VARIABLE: public.decode()}


class Gateway:
    """Watch over the process. Its standard input is a pipe from here, so that it ends with this process in any case."""

    def __init__(
        self,
        address: Address,
        endpoint: str,
        *,
        flags: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it, and wait until it listens.

        Args:
            address: Where.
            endpoint: The node's, as it can be reached from this machine.
            flags: More flags of `maskbus http`.
            environment: Its variables; None: those of this process.

        Raises:
            CommandFailed: if it does not come up; it has said why on the standard error that it shares with this one.
        """
        self._command = [sys.executable, "-m", "maskbus.cli", "http", "--with-parent", "--endpoint", endpoint, *flags]
        self._environment = dict(os.environ if environment is None else environment)
        self._stopping = threading.Event()
        self._process = self._start(address)
        line = self._listening(self._process)
        if line is None:
            self._end(self._process)
            raise CommandFailed("The gateway for HTTP has not come up.")
        self.line: HttpLine = line
        # The port is its own from now on, whichever it was to be.
        self._address = Address(address.host, int(line.url.rpartition(":")[2]))
        self._thread = threading.Thread(target=self._watch, name="maskbus gateway")
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._stopping.set()
        self._end(self._process)
        self._thread.join()

    def _watch(self) -> None:
        """Start it again whenever it ends, until it is to end."""
        pause, began = _PAUSE, time.monotonic()
        while True:
            code = self._process.wait()
            if self._stopping.is_set():
                return
            if time.monotonic() - began > _SETTLED:
                pause = _PAUSE
            log.warning("The gateway for HTTP has ended with %d; it is started again in %g s.", code, pause)
            if self._stopping.wait(pause):
                return
            pause = min(2 * pause, _LONGEST_PAUSE)
            self._close_pipes(self._process)
            began = time.monotonic()
            process = self._start(self._address)
            self._process = process
            if self._stopping.is_set():
                self._end(process)
                return
            if self._listening(process) is not None:
                log.info("The gateway for HTTP is back at %s.", self.line.url)

    def _start(self, address: Address) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._command, "--listen", address.as_flag],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
            start_new_session=True,  # Ctrl-C in a terminal is for the node, which then ends this
        )

    def _listening(self, process: subprocess.Popen[str]) -> HttpLine | None:
        """Wait until it says that it listens; None if it has ended instead."""
        assert process.stdout is not None
        with contextlib.suppress(ValueError, OSError):  # closed from elsewhere
            return http_line.parse(process.stdout.readline())
        return None

    def _end(self, process: subprocess.Popen[str]) -> None:
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._close_pipes(process)

    @staticmethod
    def _close_pipes(process: subprocess.Popen[str]) -> None:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()
