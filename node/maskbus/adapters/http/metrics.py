"""What is counted of the requests, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from maskbus.adapters.http.node_metrics import NodeFamilies
from maskbus.adapters.http.room import Room
from maskbus_wire.replies import Timings

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds."""
_STAGES = ("queued", "decode_image", "embed", "decode", "encode")


class Metrics:
    """Count requests and what they took."""

    def __init__(self, room: Room) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "maskbus_http_requests",
            "Requests that were answered, by path, status and the model that answered.",
            ["path", "status", "model"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "maskbus_http_request_seconds",
            "From a request's head to the end of its answer.",
            ["path"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._stages = Histogram(
            "maskbus_http_stage_seconds",
            "Where the time of answered requests went: in the node, by stage, and outside it (http).",
            ["stage", "model"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        under_way = Gauge(
            "maskbus_http_requests_under_way",
            "Requests that need a model and have no answer yet.",
            registry=self._registry,
        )
        under_way.set_function(lambda: float(room.requests))
        held = Gauge("maskbus_http_held_bytes", "Bytes of their bodies.", registry=self._registry)
        held.set_function(lambda: float(room.bytes))

    def count(self, path: str, status: int, model: str, seconds: float) -> None:
        """Count an answer.

        Args:
            path: The route's, not the address: there are few of them.
            status: Of HTTP; 499 where the client has not waited for it.
            model: That answered; empty where none has.
            seconds: That it took.
        """
        self._requests.labels(path, str(status), model).inc()
        self._seconds.labels(path).observe(seconds)

    def stages(self, model: str, timings: Timings, seconds: float) -> None:
        """Note where the `seconds` of a request went."""
        for stage in _STAGES:
            self._stages.labels(stage, model).observe(getattr(timings, f"{stage}_ms") / 1e3)
        self._stages.labels("http", model).observe(max(0.0, seconds - timings.total_ms / 1e3))

    def text(self, accept: str, node: NodeFamilies) -> tuple[bytes, str]:
        """Return all of it and what is known of the node, in the format that is accepted, and its Content-Type."""
        encode, content_type = choose_encoder(accept)
        whole = CollectorRegistry()
        whole.register(self._registry)
        whole.register(node)
        text: bytes = encode(whole)
        return text, content_type
