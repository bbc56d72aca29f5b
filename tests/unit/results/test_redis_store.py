"""The store beside its thread, with a clock and a redis that do what they are told."""

from __future__ import annotations

import logging
import queue
import threading

import pytest

from maskbus.results import redis_store
from maskbus.results.packed import pack
from maskbus.results.redis_line import CannotAsk, Refused
from maskbus.results.redis_store import RedisStore
from maskbus_wire import frames, replies
from support import waiting

ANSWER = tuple(map(bytes, frames.encode(replies.Masks(model="echo", width=5, height=4, masks=[]))))


class FakeLine:
    name = "redis://fake"

    def __init__(self, url):
        self.values = {}
        self.reads = 0
        self.reading = threading.Semaphore(0)
        self.go = threading.Event()
        self.go.set()
        self.refuses = False
        self.gone = False
        self.closed = False

    def probe(self):
        if self.gone:
            raise CannotAsk("gone")

    def read(self, key):
        self.reads += 1
        self.reading.release()
        assert self.go.wait(10)
        self.probe()
        return self.values.get(key)

    def write(self, key, data, ttl_s):
        assert self.go.wait(10)
        if self.refuses:
            raise Refused("full")
        self.values[key] = data

    def close(self):
        self.closed = True


class Rig:
    def __init__(self):
        self.now = 100.0
        self.posted = queue.SimpleQueue()
        self.store = RedisStore("", self.posted.put, 1 << 20, 60.0, patience_s=0.05, clock=lambda: self.now)
        self.line = self.store._line
        self.line.values["known"] = pack(ANSWER)

    def look(self, key="known"):
        found = []
        self.store.lookup(key, found.append)
        return found

    def turn(self):
        self.posted.get(timeout=10)()


@pytest.fixture
def rig(monkeypatch):
    monkeypatch.setattr(redis_store, "RedisLine", FakeLine)
    made = Rig()
    yield made
    made.line.go.set()
    made.store.close()
    assert made.line.closed


def test_an_answer_comes_by_the_loop(rig):
    found = rig.look()
    assert (found, rig.store.next_event()) == ([], pytest.approx(100.05))
    rig.turn()
    assert found == [ANSWER]
    assert rig.store.next_event() is None


def test_one_that_is_late_is_dropped_and_nobody_waits_behind_it(rig):
    rig.line.go.clear()
    slow = rig.look()
    assert rig.line.reading.acquire(timeout=10)
    behind = rig.look()
    rig.store.tick(100.04)
    assert (slow, behind) == ([], [])
    rig.now = 100.06
    rig.store.tick(rig.now)
    assert (slow, behind) == ([None], [None])
    assert rig.look() == [None]
    assert (rig.store.stats().errors, rig.store.stats().misses) == (3, 3)
    rig.line.go.set()
    rig.turn()
    assert (slow, rig.posted.empty()) == ([None], True)
    waiting.until(lambda: not rig.store._hangs(rig.now), "it hangs still")
    found = rig.look()
    rig.turn()
    assert found == [ANSWER]
    assert rig.line.reads == 2  # what nobody waited for any more was not asked


def test_many_at_once_are_bounded(rig):
    rig.line.go.clear()
    rig.look()
    assert rig.line.reading.acquire(timeout=10)
    found = [rig.look() for _ in range(1000)]
    assert found == [[]] * 256 + [[None]] * 744
    rig.line.go.set()
    for _ in range(257):
        rig.turn()
    assert found == [[ANSWER]] * 256 + [[None]] * 744


def test_all_who_wait_are_answered_when_it_goes(rig):
    rig.line.go.clear()
    found = [rig.look()]
    assert rig.line.reading.acquire(timeout=10)
    found += [rig.look() for _ in range(10)]
    rig.line.gone = True
    rig.line.go.set()
    for _ in range(11):
        rig.turn()
    assert found == [[None]] * 11
    assert rig.look() == [None]
    assert rig.store.stats().errors == 12


def test_one_that_takes_nothing_is_asked_still_and_told_of_once_a_minute(rig, caplog):
    caplog.set_level(logging.INFO, "maskbus.results")
    rig.line.refuses = True
    for attempt in range(1, 21):
        rig.store.put("new", ANSWER)
        waiting.until(lambda expected=attempt: rig.store.stats().errors == expected, "it was never tried")
        rig.store.put("new", ANSWER)  # within the pause: not tried
        found = rig.look()
        rig.turn()
        assert found == [ANSWER]
        rig.now += 31.0
    assert 9 <= len(caplog.messages) <= 11  # in ten minutes
    assert set(caplog.messages) == {"The cache of answers at redis://fake takes none: full."}
    rig.line.refuses = False
    rig.store.put("new", ANSWER)
    waiting.until(lambda: rig.store.stats().stored == 1, "it was never written")
    found = rig.look("new")
    rig.turn()
    assert found == [ANSWER]


def test_one_that_is_too_large_is_not_written(rig):
    rig.store.put("large", [*ANSWER, bytes(1 << 17)])
    rig.store.put("small", ANSWER)
    waiting.until(lambda: rig.store.stats().stored == 1, "it was never written")
    assert set(rig.line.values) == {"known", "small"}


def test_nothing_is_answered_after_the_end(rig):
    rig.line.go.clear()
    found = [rig.look()]
    assert rig.line.reading.acquire(timeout=10)
    threading.Timer(0.05, rig.line.go.set).start()
    rig.store.close()
    rig.store.tick(1e9)
    while not rig.posted.empty():
        rig.turn()
    assert found == [[]]
