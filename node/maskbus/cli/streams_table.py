"""The streams of a node, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from maskbus.cli import tables
from maskbus_client.errors import NodeError
from maskbus_client.sync import Client
from maskbus_wire.replies import StreamInfo

_SHOWN = 16


def look(client: Client, deadline: float) -> list[StreamInfo]:
    """Return a node's streams; none where it is of a version that knows no streams."""
    try:
        return client.streams(deadline=deadline)
    except NodeError as error:
        if error.code == "unknown_operation":
            return []
        raise


def table(streams: Sequence[StreamInfo]) -> Table:
    """Return the busiest streams."""
    columns = ("stream", "model", "policy", "in/s", "out/s", "p50 ms", "p99 ms", "objects", "dropped", "state")
    drawn = tables.plain(*columns, right=range(3, 9))
    for stream in sorted(streams, key=lambda one: (-one.rate_in, one.stream))[:_SHOWN]:
        drawn.add_row(
            tables.said(stream.stream),
            escape(stream.model),
            f"{stream.policy}, tracks" if stream.track else stream.policy,
            f"{stream.rate_in:.1f}",
            f"{stream.rate_out:.1f}",
            f"{stream.p50_ms:.1f}",
            f"{stream.p99_ms:.1f}",
            str(len(stream.object_ids)) if stream.track else "",
            escape(drops(stream.counts.dropped)),
            _state(stream),
        )
    if len(streams) > _SHOWN:
        drawn.add_row(f"[dim]and {len(streams) - _SHOWN} more[/]")
    return drawn


def drops(dropped: Mapping[str, int]) -> str:
    """Return what became of the frames that were dropped, the most frequent cause first."""
    causes = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {cause.replace('_', ' ')}" for cause, count in causes)


def _state(stream: StreamInfo) -> str:
    if stream.last_error:
        return f"[red]{tables.said(stream.last_error)}[/]"
    if stream.idle_s > 2:
        return f"[yellow]no frame for {stream.idle_s:.0f} s[/]"
    return "[green]watched[/]" if stream.watched else "[dim]nobody watches[/]"
