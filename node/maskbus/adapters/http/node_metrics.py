"""What the node says of itself, as metrics: asked for when they are looked at, and not kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from maskbus_wire.replies import Statistics, StreamInfo


class NodeFamilies(Collector):
    """The metrics of a node that has answered, or of one that has not."""

    def __init__(self, stats: Statistics | None, streams: Iterable[StreamInfo] = ()) -> None:
        self._stats = stats
        self._streams = list(streams)

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        yield _gauge("maskbus_up", "Whether the node has answered.", 0.0 if self._stats is None else 1.0)
        if self._stats is None:
            return
        yield from _node(self._stats)
        yield from _models(self._stats)
        yield from _workers(self._stats)
        if self._stats.cache is not None:
            yield from _answers(self._stats)
        yield from _streams(self._streams)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)


def _counter(name: str, words: str, value: float) -> Metric:
    return CounterMetricFamily(name, words, value=value)


def _node(stats: Statistics) -> Iterator[Metric]:
    yield _gauge("maskbus_uptime_seconds", "Since the node was started.", stats.uptime_s)
    yield _gauge("maskbus_resident_bytes", "Resident memory of the node's own process.", stats.rss_bytes)
    yield _gauge("maskbus_images", "Images that are kept.", stats.images)
    yield _gauge("maskbus_image_bytes_reserved", "Shared memory reserved for images.", stats.shm_bytes)
    yield _gauge("maskbus_image_bytes_used", "Of that, in use.", stats.shm_used_bytes)
    yield _gauge("maskbus_leased_bytes", "Shared memory that clients hold.", stats.leased_bytes)
    yield _counter("maskbus_received", "Messages that the node received.", stats.received)
    yield _counter("maskbus_rejected", "Messages that it answered with an error at once.", stats.rejected)
    yield _counter("maskbus_unanswerable", "Replies that could not be delivered.", stats.unanswerable)


def _models(stats: Statistics) -> Iterator[Metric]:
    queued = GaugeMetricFamily("maskbus_queued", "Requests that wait.", labels=["model", "lane"])
    running = GaugeMetricFamily("maskbus_running", "Requests that a worker has.", labels=["model"])
    answered = CounterMetricFamily("maskbus_answered", "Requests answered with a result.", labels=["model"])
    errors = CounterMetricFamily("maskbus_errors", "Requests answered with an error.", labels=["model", "code"])
    left_out = GaugeMetricFamily("maskbus_left_out_seconds", "For which routes leave it out.", labels=["model"])
    for model in stats.models:
        for lane, count in model.queued.items():
            queued.add_metric([model.name, lane], count)
        running.add_metric([model.name], model.running)
        answered.add_metric([model.name], model.answered)
        left_out.add_metric([model.name], model.left_out_s)
        for code, count in model.errors.items():
            errors.add_metric([model.name, code], count)
    yield from (queued, running, answered, errors, left_out)


def _workers(stats: Statistics) -> Iterator[Metric]:
    labels = ["model", "device", "worker"]
    state = GaugeMetricFamily("maskbus_worker_up", "Whether the worker can compute.", labels=labels)
    restarts = CounterMetricFamily("maskbus_worker_restarts", "How often it was started again.", labels=labels)
    resident = GaugeMetricFamily("maskbus_worker_resident_bytes", "Its resident memory.", labels=labels)
    held = GaugeMetricFamily("maskbus_embedding_cache_bytes", "What its embeddings take.", labels=labels)
    entries = GaugeMetricFamily("maskbus_embedding_cache_entries", "How many there are.", labels=labels)
    hits = CounterMetricFamily("maskbus_embedding_cache_hits", "Prompts whose embedding was there.", labels=labels)
    misses = CounterMetricFamily("maskbus_embedding_cache_misses", "Prompts whose embedding was not.", labels=labels)
    evictions = CounterMetricFamily("maskbus_embedding_cache_evictions", "Embeddings dropped.", labels=labels)
    for i, worker in enumerate(stats.workers):
        values = [worker.model, worker.device, str(i)]
        state.add_metric(values, 1.0 if worker.state in ("ready", "busy") else 0.0)
        restarts.add_metric(values, worker.restarts)
        resident.add_metric(values, worker.rss_bytes)
        held.add_metric(values, worker.cache_bytes)
        entries.add_metric(values, worker.cache_entries)
        hits.add_metric(values, worker.cache_hits)
        misses.add_metric(values, worker.cache_misses)
        evictions.add_metric(values, worker.cache_evictions)
    yield from (state, restarts, resident, held, entries, hits, misses, evictions)


def _answers(stats: Statistics) -> Iterator[Metric]:
    cache = stats.cache
    assert cache is not None
    for name, words, count in (
        ("hits", "Requests answered from the cache of answers.", cache.hits),
        ("misses", "Requests whose answer was not there.", cache.misses),
        ("stored", "Answers that were put there.", cache.stored),
        ("evictions", "Answers that went.", cache.evictions),
        ("errors", "How often the store could not be asked.", cache.errors),
    ):
        family = CounterMetricFamily(f"maskbus_answer_cache_{name}", words, labels=["store"])
        family.add_metric([cache.store], count)
        yield family
    for name, words, count in (
        ("entries", "Answers that are there.", cache.entries),
        ("bytes", "What they take.", cache.bytes),
    ):
        gauge = GaugeMetricFamily(f"maskbus_answer_cache_{name}", words, labels=["store"])
        gauge.add_metric([cache.store], count)
        yield gauge


def _streams(streams: Iterable[StreamInfo]) -> Iterator[Metric]:
    received = CounterMetricFamily("maskbus_stream_received", "Frames of open streams.", labels=["stream"])
    answered = CounterMetricFamily("maskbus_stream_answered", "Frames with results.", labels=["stream"])
    dropped = CounterMetricFamily("maskbus_stream_dropped", "Frames without, by cause.", labels=["stream", "cause"])
    for stream in streams:
        received.add_metric([stream.stream], stream.counts.received)
        answered.add_metric([stream.stream], stream.counts.answered)
        for cause, count in stream.counts.dropped.items():
            dropped.add_metric([stream.stream, cause], count)
    yield from (received, answered, dropped)
