"""Answers in a redis, which several nodes may share."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from maskbus.results.backlog import Backlog, Write
from maskbus.results.backoff import Backoff
from maskbus.results.packed import pack, unpack
from maskbus.results.patience import Lookup, Patience
from maskbus.results.redis_line import LARGEST, CannotAsk, Foreign, RedisLine, Refused
from maskbus.results.seldom import Seldom
from maskbus.results.store import Frame, ResultStore, Then
from maskbus_wire.replies import CacheStats

log = logging.getLogger(__name__)

PATIENCE_S = 0.05
"""How long a lookup may take. Most models need longer for an answer than that, and a redis nearby a fraction of it."""
_LOOKUPS = 256
"""Lookups that may wait for the thread."""
_CLOSING_S = 3.0


class RedisStore(ResultStore):
    """Ask a redis from a thread of its own, and never let a request wait for one that is down, slow or full.

    After a failure lookups are answered None at once, until the thread has got an answer again; it tries after a
    second, and then ever more seldom. A redis that takes no values, as it is full, say, is still asked for them.
    """

    def __init__(
        self,
        url: str,
        post: Callable[[Callable[[], None]], None],
        capacity: int,
        ttl_s: float = 0.0,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the thread, which connects.

        Args:
            url: Where the redis is, as in `RedisLine`.
            post: Called in the store's thread; has its argument called on the loop's.
            capacity: Bytes of answers that may wait to be written. One may take an eighth of it.
            ttl_s: Seconds for which an answer is good; 0: for as long as the redis likes.
            patience_s: Seconds after which a lookup is answered None.
            clock: Returns seconds.

        Raises:
            StoreError: as `RedisLine`.
        """
        self._line = RedisLine(url)
        self._post = post
        self._largest = min(capacity // 8, LARGEST)
        self._ttl_s = ttl_s
        self._clock = clock
        self._patience = Patience(patience_s)
        self._backlog = Backlog(_LOOKUPS, capacity)
        self._hits = self._misses = self._errors = 0

        # The thread's own; others only look.
        self._down = False
        self._busy_since: float | None = None
        self._pause = Backoff()
        self._write_pause = Backoff()
        self._lines = Seldom()
        self._told = False
        self._stored = self._stored_bytes = self._failed_writes = 0

        self._thread = threading.Thread(target=self._work, name="redis", daemon=True)
        self._thread.start()

    # -- on the loop ---------------------------------------------------------------------------------------------------

    def lookup(self, key: str, then: Then) -> None:
        """Have the thread ask; `then` is called from what is posted, from `tick`, or at once where it is no use."""
        now = self._clock()
        if not self._down and not self._hangs(now):
            lookup = self._patience.begin(key, then, now)
            if self._backlog.ask(lookup):
                return
            lookup.over = True
        self._errors += 1
        self._misses += 1
        then(None)

    def put(self, key: str, frames: Sequence[Frame]) -> None:
        """Have the thread write an answer; it is dropped where that is no use, or too much waits already."""
        if self._down or self._write_pause.holds(self._clock()):
            return
        if sum(memoryview(frame).nbytes for frame in frames) <= self._largest:
            self._backlog.write(Write(key, tuple(map(bytes, frames))))

    def stats(self) -> CacheStats:
        """Tell how the store is doing."""
        return CacheStats(
            store="redis",
            hits=self._hits,
            misses=self._misses,
            stored=self._stored,
            errors=self._errors + self._failed_writes,
            bytes=self._stored_bytes,
        )

    def tick(self, now: float) -> None:
        """Answer lookups that have taken too long."""
        for lookup in self._patience.passed(now):
            self._answer(lookup, None, failed=True)

    def next_event(self) -> float | None:
        """Return when a lookup has taken too long."""
        return self._patience.next()

    def close(self) -> None:
        """End the thread; a redis that hangs may hold that up for a moment."""
        self._patience.give_up()
        self._backlog.close()
        self._thread.join(_CLOSING_S)

    def _hangs(self, now: float) -> bool:
        since = self._busy_since
        return since is not None and now > since + self._patience.patience_s

    def _answer(self, lookup: Lookup, frames: Sequence[bytes] | None, *, failed: bool) -> None:
        if lookup.over:
            return
        self._errors += failed
        self._hits += frames is not None
        self._misses += frames is None
        lookup.answer(frames)

    # -- in the thread -------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        self._probe()
        while not self._backlog.closed:
            if self._down:
                self._backlog.wait(self._pause.until - self._clock())
                if not self._backlog.closed:
                    self._probe()
                continue
            task = self._backlog.next()
            if isinstance(task, Lookup):
                self._read(task)
            elif task is not None:
                self._write(task)
        self._line.close()

    def _probe(self) -> None:
        try:
            self._line.probe()
        except CannotAsk as error:
            self._lost(error)
            return
        self._pause.worked()
        self._down = False
        if self._told:
            self._told = False
            log.info("The cache of answers at %s answers again.", self._line.name)

    def _read(self, lookup: Lookup) -> None:
        if lookup.over:
            return
        frames, failed = None, False
        self._busy_since = self._clock()
        try:
            data = self._line.read(lookup.key)
            frames = None if data is None else unpack(data)
            failed = data is not None and frames is None
        except Foreign:
            failed = True
        except CannotAsk as error:
            failed = True
            self._lost(error)
        finally:
            self._busy_since = None
        self._tell(lookup, frames, failed=failed)

    def _write(self, write: Write) -> None:
        if self._write_pause.holds(self._clock()):
            return
        self._busy_since = self._clock()
        try:
            self._line.write(write.key, pack(write.frames), self._ttl_s)
            self._write_pause.worked()
            self._stored += 1
            self._stored_bytes += write.nbytes
        except Refused as error:
            now = self._clock()
            self._write_pause.failed(now)
            if self._lines.may(now):
                log.warning("The cache of answers at %s takes none: %s.", self._line.name, error)
            self._failed_writes += 1
        except CannotAsk as error:
            self._lost(error)
            self._failed_writes += 1
        finally:
            self._busy_since = None

    def _lost(self, error: CannotAsk) -> None:
        now = self._clock()
        self._pause.failed(now)
        self._down = True
        for lookup in self._backlog.drain():
            self._tell(lookup, None, failed=True)
        if self._lines.may(now):
            self._told = True
            log.warning("The cache of answers at %s cannot be asked: %s.", self._line.name, error)

    def _tell(self, lookup: Lookup, frames: Sequence[bytes] | None, *, failed: bool) -> None:
        if not self._backlog.closed:
            self._post(partial(self._answer, lookup, frames, failed=failed))
