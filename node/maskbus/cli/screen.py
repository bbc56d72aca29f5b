"""How a node is doing, as tables: what `stats` prints once and `top` again and again."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from maskbus.cli import streams_table, tables
from maskbus.cli.quantities import amount, counted, duration
from maskbus_wire.replies import CacheStats, ModelStats, Statistics, StreamInfo, TopicStats, WorkerStats

_LANES = ("interactive", "stream", "batch")
_STATE_STYLES = {
    "ready": "green",
    "busy": "bold green",
    "starting": "yellow",
    "backing-off": "red",
    "stopped": "dim",
}
_TOPICS_SHOWN = 12


def frame(
    endpoint: str, statistics: Statistics | None, problem: str = "", streams: Sequence[StreamInfo] = ()
) -> RenderableType:
    """Return one screen: the newest statistics, if there ever were any, under a line that says how old they are."""
    parts: list[RenderableType] = [_head(endpoint, statistics, problem)]
    if statistics is not None:
        parts += [Text(""), *sections(statistics, streams)]
    return Group(*parts)


def sections(statistics: Statistics, streams: Sequence[StreamInfo] = ()) -> list[RenderableType]:
    """Return the tables of models, workers, streams and topics, and the lines of figures under them."""
    parts: list[RenderableType] = [_models(statistics.models), Text("")]
    parts += [
        Text.from_markup(
            f"[red]{escape(model.name)}[/] is left out of routes for {model.left_out_s:.0f} s: it has failed too often"
        )
        for model in statistics.models
        if model.left_out_s
    ]
    if statistics.workers:
        parts += [_workers(statistics.workers), Text("")]
        parts += [
            Text.from_markup(f"[red]{escape(worker.model)}[/] ended last: {escape(worker.last_error)}")
            for worker in statistics.workers
            if worker.last_error
        ]
    if streams:
        parts += [streams_table.table(streams), Text("")]
    if statistics.topics:
        parts += [_topics(statistics.topics), Text("")]
    return [*parts, *_figures(statistics)]


def _head(endpoint: str, statistics: Statistics | None, problem: str) -> Text:
    text = Text.assemble(("maskbus ", "bold"), endpoint)
    if statistics is not None:
        text.append(f"  node {statistics.node}  version {statistics.version}")
        text.append(f"  up {duration(statistics.uptime_s)}")
    if problem:
        text.append(f"  {problem}", "bold red")
    return text


def _models(models: Sequence[ModelStats]) -> Table:
    columns = ("model", *_LANES, "running", "per second", "p50 ms", "p99 ms", "answered", "errors")
    table = tables.plain(*columns, right=range(1, 9))
    for model in models:
        errors = ", ".join(f"{code} {count}" for code, count in sorted(model.errors.items()))
        table.add_row(
            escape(model.name),
            *(str(model.queued.get(lane, 0)) for lane in _LANES),
            str(model.running),
            f"{model.rate:.1f}",
            f"{model.p50_ms:.1f}",
            f"{model.p99_ms:.1f}",
            str(model.answered),
            f"[red]{escape(errors)}[/]" if errors else "",
        )
    if not models:
        table.add_row("[dim]nothing asked yet[/]")
    return table


def _workers(workers: Sequence[WorkerStats]) -> Table:
    columns = ("worker", "device", "state", "pid", "restarts", "memory", "embeddings", "hits", "misses", "dropped")
    table = tables.plain(*columns, right=range(3, 10))
    for worker in workers:
        style = _STATE_STYLES.get(worker.state, "")
        table.add_row(
            escape(worker.model),
            escape(worker.device),
            Text(worker.state, style),
            str(worker.pid) if worker.pid else "",
            str(worker.restarts),
            amount(worker.rss_bytes) if worker.rss_bytes else "",
            f"{worker.cache_entries} in {amount(worker.cache_bytes)}",
            str(worker.cache_hits),
            str(worker.cache_misses),
            str(worker.cache_evictions),
        )
    return table


def _topics(topics: Sequence[TopicStats]) -> Table:
    table = tables.plain("topic", "published", right=[1])
    # The busiest: a node may have hundreds, the screen has lines for a few.
    for topic in sorted(topics, key=lambda topic: (-topic.published, topic.topic))[:_TOPICS_SHOWN]:
        table.add_row(tables.said(topic.topic), str(topic.published))
    if len(topics) > _TOPICS_SHOWN:
        table.add_row(f"[dim]and {len(topics) - _TOPICS_SHOWN} more[/]")
    return table


def _figures(statistics: Statistics) -> list[Text]:
    used, reserved = amount(statistics.shm_used_bytes), amount(statistics.shm_bytes)
    unread = f", {statistics.unanswerable} replies undeliverable" if statistics.unanswerable else ""
    cache = [_cache(statistics.cache)] if statistics.cache is not None else []
    return [
        Text(f"images     {statistics.images} kept; shared memory: {used} used of {reserved} reserved"),
        Text(f"leases     {statistics.leases} held by clients, {amount(statistics.leased_bytes)}"),
        *cache,
        Text(f"messages   {statistics.received} received, {statistics.rejected} rejected{unread}"),
        Text(f"memory     {amount(statistics.rss_bytes)} in the node's own process"),
    ]


def _cache(cache: CacheStats) -> Text:
    if cache.store == "none":
        return Text("answers    none are kept")
    there = cache.stored if cache.store == "redis" else cache.entries
    words = (
        f"answers    {there} kept in {cache.store}, {amount(cache.bytes)}; {cache.hits} found there, {cache.misses} not"
    )
    words += f"; {cache.evictions} dropped" if cache.evictions else ""
    text = Text(words)
    if cache.errors:
        text.append(f"; it could not be asked {counted(cache.errors, 'time')}", "red")
    return text
