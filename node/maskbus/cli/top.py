"""`maskbus top`: a node's queues, workers, streams and rates, live."""

from __future__ import annotations

import argparse
import contextlib
import time

from rich.console import RenderableType
from rich.live import Live

from maskbus.cli import connection, keys, screen, streams_table, tables
from maskbus.cli.quantities import duration
from maskbus_client.errors import MaskbusError
from maskbus_client.sync import Client
from maskbus_wire.replies import Statistics, StreamInfo

_PATIENCE = 1.0
"""Seconds a node may take to answer before the screen says that it does not."""


def run(arguments: argparse.Namespace) -> int:
    """Watch until q or Ctrl-C, or look once."""
    with connection.open_client(arguments.endpoint, connect_timeout=_PATIENCE, retries=0) as client:
        if arguments.once:
            statistics = client.stats(deadline=5 * _PATIENCE)
            streams = streams_table.look(client, 5 * _PATIENCE)
            tables.console().print(screen.frame(client.endpoint, statistics, streams=streams))
        else:
            with contextlib.suppress(KeyboardInterrupt):  # the usual way out of it, no interruption
                _watch(client, arguments.interval)
    return 0


def _watch(client: Client, interval: float) -> None:
    watcher = Watcher(client)
    console = tables.console()
    with (
        keys.watched() as wait,
        Live(watcher.look(), console=console, screen=console.is_terminal, auto_refresh=False) as live,
    ):
        while wait(interval) not in ("q", "Q"):
            live.update(watcher.look(), refresh=True)


class Watcher:
    """Look at a node again and again, and remember what was seen last while it does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._last: Statistics | None = None
        self._streams: list[StreamInfo] = []
        self._seen = time.monotonic()

    def look(self) -> RenderableType:
        """Return the screen as of now."""
        try:
            self._last = self._client.stats(deadline=_PATIENCE)
            self._streams = streams_table.look(self._client, _PATIENCE)
            self._seen = time.monotonic()
        except MaskbusError:
            # A node that stops, is restarted or is too busy to answer is exactly what one watches for.
            silent = duration(time.monotonic() - self._seen)
            return screen.frame(self._client.endpoint, self._last, f"no answer for {silent}", self._streams)
        return screen.frame(self._client.endpoint, self._last, streams=self._streams)
