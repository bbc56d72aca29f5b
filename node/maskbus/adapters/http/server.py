"""The server: a port, for as long as the command runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator

import uvicorn

from maskbus.adapters.http import app
from maskbus.adapters.http.gateway import Gateway
from maskbus.adapters.http.line import Line
from maskbus.adapters.http.protocol import PatientProtocol
from maskbus.adapters.http.settings import Settings
from maskbus_client import endpoints, keys

_FAREWELL = 5
"""Seconds that requests have to be answered when the server ends."""
_BACKLOG = 1024


class Server:
    """Serve HTTP in front of one node. It listens from the beginning; `run` answers."""

    def __init__(self, endpoint: str | None, host: str, port: int, settings: Settings) -> None:
        """Listen.

        Args:
            endpoint: The node's; None: the environment's, else the default one.
            host: An address, of version 4 or 6.
            port: Where; 0: at any port that is free.
            settings: What it may take, and adds.

        Raises:
            ValueError: if the endpoint is none, or the environment's keys are none.
            OSError: if something else listens there.
        """
        where = endpoints.resolve(endpoint)
        self._context = keys.new_context(keys.resolve(None))
        # The protocol is named so that asyncio turns off the waiting for full packets on what is accepted.
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if os.name == "posix":
                # A server that has just ended leaves its port waiting. (Elsewhere this means another thing.)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, port))
            self._socket.listen(_BACKLOG)
        except OSError:
            self._socket.close()
            self._context.term()
            raise
        self.endpoint = where
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        """Where it is."""
        limits = settings.limits

        class Protocol(PatientProtocol):
            header_s, write_s = limits.header_s, limits.write_s

        self._gateway = Gateway(Line(self._context, where, settings.links), settings)
        self._server = _Server(
            uvicorn.Config(
                app.build(self._gateway, any_host=settings.allow_remote),
                http=Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=limits.connections,
                timeout_keep_alive=int(limits.idle_s),
                timeout_graceful_shutdown=_FAREWELL,
            )
        )

    def run(self) -> None:
        """Serve until `stop`."""
        try:
            asyncio.run(self._serve())
        finally:
            self._socket.close()
            self._context.destroy(linger=0)

    async def _serve(self) -> None:
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            # What is still under way when patience ends is cancelled, here and in the node, and answered.
            left = list(self._server.server_state.tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            await self._gateway.close()

    def stop(self) -> None:
        """End soon; a second call ends it at once. May come from any thread, and from a signal."""
        self._server.force_exit = self._server.should_exit
        self._server.should_exit = True


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the command: one that has been told to stop has not failed."""
        yield
