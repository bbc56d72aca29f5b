import time

import pytest

from maskbus.node.tally import Tally


def test_nothing_yet():
    stats = Tally().stats("echo", {}, 0)
    assert (stats.name, stats.answered, stats.errors, stats.rate, stats.p50_ms, stats.p99_ms) == (
        "echo",
        0,
        {},
        0,
        0,
        0,
    )


def test_counts_and_percentiles():
    tally = Tally()
    now = time.monotonic()
    for milliseconds in range(1, 101):
        tally.success(now - milliseconds / 1e3, now)
    tally.error("busy")
    tally.error("busy")
    tally.error("internal")
    stats = tally.stats("echo", {"batch": 3}, 2)
    assert (stats.answered, stats.errors, stats.queued, stats.running) == (
        100,
        {"busy": 2, "internal": 1},
        {"batch": 3},
        2,
    )
    assert stats.p50_ms == pytest.approx(51, abs=1.1)
    assert stats.p99_ms == pytest.approx(100, abs=1.1)
    assert stats.rate == pytest.approx(10)


def test_rate_forgets_and_latencies_are_bounded(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    tally = Tally()
    for _ in range(100):  # ten a second for ten seconds
        tally.success(clock[0] - 1, clock[0])
        clock[0] += 0.1
    assert 9 <= tally.stats("echo", {}, 0).rate <= 11
    for _ in range(2000):
        tally.success(clock[0], clock[0])
    assert tally.stats("echo", {}, 0).p99_ms == 0
    clock[0] += 11
    stats = tally.stats("echo", {}, 0)
    assert (stats.rate, stats.answered) == (0, 2100)
