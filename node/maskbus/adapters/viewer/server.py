"""The server: a port of this machine's own, for as long as the command runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Iterator

import uvicorn

from maskbus.adapters.viewer import app, commands
from maskbus.adapters.viewer.watch import Watch
from maskbus_client import endpoints, keys

_HOST = "127.0.0.1"
_FAREWELL = 2
"""Seconds that pages have to go away when the server ends."""


class Server:
    """Serve the page of one node's streams. It listens from the beginning; `run` answers."""

    def __init__(self, endpoint: str | None, *, port: int, prefix: str = "") -> None:
        """Listen.

        Args:
            endpoint: The node's; None: the environment's, else the default one.
            port: Where; 0: at any port that is free.
            prefix: Only streams whose names begin with it are shown.

        Raises:
            ValueError: if the endpoint is none, or the environment's keys are none.
            OSError: if something else listens there.
        """
        where = endpoints.resolve(endpoint)
        token = secrets.token_urlsafe(24)
        self._context = keys.new_context(keys.resolve(None))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # for TCP_NODELAY
        try:
            if os.name == "posix":
                # A server that has just ended leaves its port waiting. (Elsewhere this means another thing.)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((_HOST, port))
            self._socket.listen()
        except OSError:
            self._socket.close()
            self._context.term()
            raise
        self.endpoint = where
        self.url = f"http://{_HOST}:{self._socket.getsockname()[1]}/?token={token}"
        """Address of the page. Whoever knows it may click."""
        self._server = _Server(
            uvicorn.Config(
                app.build(lambda: Watch(self._context, where, prefix), token),
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                ws_max_size=commands.MOST_BYTES,
                ws_max_queue=16,
                ws_per_message_deflate=False,
                limit_concurrency=128,
                timeout_graceful_shutdown=_FAREWELL,
            )
        )

    def run(self) -> None:
        """Serve until `stop`."""
        try:
            asyncio.run(self._server.serve(sockets=[self._socket]))
        finally:
            self._socket.close()
            self._context.destroy(linger=0)

    def stop(self) -> None:
        """End soon; a second call ends it at once. May come from any thread, and from a signal."""
        self._server.force_exit = self._server.should_exit
        self._server.should_exit = True


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the command: one that has been told to stop has not failed."""
        yield
