"""What a node tells of itself: that it is there, what it offers, how it is doing."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping

import maskbus
from maskbus.config import Config
from maskbus.engine.arena import Arena
from maskbus.engine.catalogue import Catalogue
from maskbus.engine.local import Engine
from maskbus.memory import resident_bytes
from maskbus.node.describe import describe_models
from maskbus.node.image_store import ImageStore
from maskbus.node.leases import Leases
from maskbus.node.publisher import Publisher
from maskbus.node.routes import Routes
from maskbus.node.tally import Tally
from maskbus.results import ResultStore
from maskbus.scheduler import Job, ModelQueue
from maskbus_wire import replies
from maskbus_wire.limits import Limits
from maskbus_wire.requests import Describe, Ping, Stats


class Inquiries:
    """Answer `ping`, `describe` and `stats`. It looks at what others change."""

    def __init__(
        self,
        config: Config,
        catalogue: Catalogue,
        limits: Limits,
        routes: Routes,
        images: ImageStore,
        arena: Arena,
        leases: Leases,
        publisher: Publisher,
        store: ResultStore | None,
        queues: Mapping[str, ModelQueue],
        running: Mapping[int, Job],
        tallies: Mapping[str, Tally],
        engine: Callable[[], Engine],
    ) -> None:
        self.name = secrets.token_hex(8)
        """Random name of this run of the node."""
        self.endpoints: list[str] = []
        self.publish_endpoints: list[str] = []
        self.received = 0
        """Messages."""
        self.rejected = 0
        """Of these, those that were answered with an error at once."""
        self.unanswerable = 0
        """Replies that could not be delivered."""
        self._started = time.monotonic()
        self._config = config
        self._catalogue = catalogue
        self._limits = limits
        self._routes = routes
        self._images = images
        self._arena = arena
        self._leases = leases
        self._publisher = publisher
        self._store = store
        self._queues = queues
        self._running = running
        self._tallies = tallies
        self._engine = engine

    def answer(self, request: Ping | Describe | Stats) -> replies.Reply:
        """Return the reply."""
        if isinstance(request, Ping):
            return self._pong(request.id)
        if isinstance(request, Describe):
            return describe_models(request.id, self._config, self._catalogue, self._limits, self._routes.describe())
        return self._statistics(request.id)

    def _pong(self, request_id: str) -> replies.Pong:
        return replies.Pong(
            id=request_id,
            node=self.name,
            version=maskbus.__version__,
            uptime_s=time.monotonic() - self._started,
            endpoints=self.endpoints,
            publish_endpoints=self.publish_endpoints,
        )

    def _statistics(self, request_id: str) -> replies.Statistics:
        now = time.monotonic()
        running = Counter(job.model for job in self._running.values())
        return replies.Statistics(
            id=request_id,
            node=self.name,
            version=maskbus.__version__,
            uptime_s=now - self._started,
            models=[
                tally.stats(name, self._queues[name].lengths(), running[name], self._routes.seconds_left_out(name, now))
                for name, tally in self._tallies.items()
            ],
            workers=self._engine().stats(),
            topics=self._publisher.stats(),
            images=len(self._images),
            shm_bytes=self._arena.reserved,
            shm_used_bytes=self._arena.used,
            leases=len(self._leases),
            leased_bytes=self._leases.nbytes,
            cache=replies.CacheStats(store="none") if self._store is None else self._store.stats(),
            rss_bytes=resident_bytes(),
            received=self.received,
            rejected=self.rejected,
            unanswerable=self.unanswerable,
        )
