"""Time the exchanges of all contenders in turns, so that whatever drifts on the machine hits all of them alike."""

from __future__ import annotations

import gc
import math
import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any

import numpy as np
from contenders.base import CHANNELS, FRAME_BYTES, HEIGHT, SMALL_BYTES, WIDTH, Connection, Exchange, Line, Pixels

EXCHANGES: tuple[Exchange, ...] = ("small", "frame", "mask", "echo")
MEMCPY_COLD, MEMCPY_WARM = "memcpy-cold", "memcpy-warm"


@dataclass(frozen=True)
class Plan:
    """How much is measured: `rounds` turns, in each one block a line and exchange."""

    rounds: int
    small: int
    frame: int
    warmup: int

    def timed(self, exchange: Exchange) -> int:
        """Return the timed calls of one block."""
        return self.small if exchange == "small" else self.frame


FULL = Plan(rounds=20, small=100, frame=20, warmup=4)
QUICK = Plan(rounds=2, small=5, frame=2, warmup=1)


@dataclass
class Samples:
    """The times in nanoseconds of one line and exchange, by round."""

    rounds: list[list[int]] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return median, p99 and the medians by round, in microseconds."""
        times = sorted(time for block in self.rounds for time in block)
        return {
            "median_us": statistics.median(times) / 1e3,
            "p99_us": times[math.ceil(0.99 * len(times)) - 1] / 1e3,
            "calls": len(times),
            "rounds_us": [round(statistics.median(block) / 1e3, 1) for block in self.rounds],
        }


class Payloads:
    """More frames than the last-level cache holds, handed out in turn.

    Each array is stamped with a running number before it is handed out, so that a server which recognises an image by
    its content gains nothing. `bytes` cannot be stamped; they are made beforehand and only for the contenders whose
    library takes nothing else, which spares these a copy that their users pay.
    """

    def __init__(self, cache_bytes: int) -> None:
        count = min(24, max(8, math.ceil(1.5 * cache_bytes / FRAME_BYTES)))
        generator = np.random.default_rng(7)
        shape = (HEIGHT, WIDTH, CHANNELS)
        self.arrays: list[Pixels] = [generator.integers(0, 256, shape, np.uint8) for _ in range(count)]
        self.bytes = [array.tobytes() for array in self.arrays]
        self._noise = generator.bytes(SMALL_BYTES - 8)
        self._number = 0

    def of(self, line: Line, exchange: Exchange) -> Iterator[Any]:
        """Hand out payloads for one line and exchange, without end."""
        while True:
            self._number += 1
            stamp = self._number.to_bytes(8, "little")
            if exchange == "small":
                yield stamp + self._noise
            elif line.takes == "bytes":
                yield self.bytes[self._number % len(self.bytes)]
            else:
                array = self.arrays[self._number % len(self.arrays)]
                array.reshape(-1)[:8] = np.frombuffer(stamp, np.uint8)
                yield array


def verify(line: Line, connection: Connection, payloads: Payloads) -> None:
    """Make each exchange once and look at the whole answer; raise RuntimeError if it is not what was asked for."""

    def sent(exchange: Exchange) -> Any:
        return next(payloads.of(line, exchange))

    if not connection.small(sent("small")):
        raise RuntimeError(f"{line.label}: the small answer does not belong to its request")
    if (size := connection.frame(sent("frame"))) != (HEIGHT, WIDTH):
        raise RuntimeError(f"{line.label}: answered size {size}")
    mask = connection.mask(sent("mask"))
    if mask.shape != (HEIGHT, WIDTH) or not mask.all():
        raise RuntimeError(f"{line.label}: answered a mask of shape {mask.shape}, {np.count_nonzero(mask)} set")
    if (echo := getattr(connection, "echo", None)) is not None:
        frame = sent("echo")
        if not np.array_equal(np.frombuffer(echo(frame), np.uint8), frame.reshape(-1)):
            raise RuntimeError(f"{line.label}: the echo differs from the frame")


def take_turns(
    clients: list[tuple[Line, Connection]], payloads: Payloads, plan: Plan, progress: Callable[[int], None]
) -> tuple[dict[str, dict[Exchange, Samples]], dict[str, Samples]]:
    """Measure all lines in turns, in a new order each round.

    Returns the samples by line and exchange, and those of plain copies of the frame in memory.
    """
    lines: dict[str, dict[Exchange, Samples]] = {line.key: defaultdict(Samples) for line, _ in clients}
    limits = {MEMCPY_COLD: Samples(), MEMCPY_WARM: Samples()}
    copies = [np.zeros_like(array) for array in payloads.arrays]
    shuffled = random.Random(7)
    for number in range(plan.rounds):
        for exchange in EXCHANGES:
            turns = [client for client in clients if exchange in client[0].exchanges]
            shuffled.shuffle(turns)
            for line, connection in turns:
                call = getattr(connection, exchange)
                block = _block(call, payloads.of(line, exchange), plan.timed(exchange), plan.warmup)
                lines[line.key][exchange].rounds.append(block)
        limits[MEMCPY_COLD].rounds.append(_copies(payloads.arrays, copies, plan))
        limits[MEMCPY_WARM].rounds.append(_copies(payloads.arrays[:1], copies[:1], plan))
        progress(number + 1)
    return lines, limits


def _block(call: Callable[[Any], Any], payloads: Iterator[Any], timed: int, warmup: int) -> list[int]:
    """Time `timed` calls after `warmup` untimed ones: another contender's block has just emptied the caches."""
    times = []
    gc.collect()
    gc.disable()
    try:
        for index in range(warmup + timed):
            payload = next(payloads)
            begin = perf_counter_ns()
            answer = call(payload)
            end = perf_counter_ns()
            del answer  # outside the clock for all: some answers own megabytes, others a view
            if index >= warmup:
                times.append(end - begin)
    finally:
        gc.enable()
    return times


def _copies(sources: list[Pixels], targets: list[Pixels], plan: Plan) -> list[int]:
    pairs = list(zip(sources, targets, strict=True))

    def copy(index: int) -> None:
        source, target = pairs[index % len(pairs)]
        np.copyto(target, source)

    return _block(copy, iter(range(plan.warmup + plan.frame)), plan.frame, plan.warmup)
