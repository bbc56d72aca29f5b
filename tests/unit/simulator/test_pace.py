"""A clock that neither drifts nor catches up."""

from __future__ import annotations

from maskbus.simulator.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.waited: list[float] = []
        self.ends_at = float("inf")

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.now += seconds
        return self.now >= self.ends_at


def test_frames_are_due_at_their_own_time_whatever_each_takes() -> None:
    clock = Clock()
    pace = Pace(10.0, wait=clock.wait, clock=lambda: clock.now)
    at = []
    for number in pace.numbers():
        at.append(clock.now)
        clock.now += 0.03 + 0.05 * (number % 2)
        if number == 99:
            break
    assert max(abs(when - (100.0 + i / 10)) for i, when in enumerate(at)) < 1e-9
    assert pace.skipped == 0


def test_what_comes_too_late_is_skipped_and_counted() -> None:
    clock = Clock()
    pace = Pace(10.0, wait=clock.wait, clock=lambda: clock.now)
    numbers = []
    for number in pace.numbers():
        numbers.append(number)
        if number == 2:
            clock.now += 0.45  # frames 3, 4, 5 and 6 become due meanwhile
        if number == 8:
            break
    assert numbers == [0, 1, 2, 6, 7, 8]
    assert pace.skipped == 3


def test_a_lead_puts_all_frames_off() -> None:
    clock = Clock()
    next(Pace(10.0, lead=0.02, wait=clock.wait, clock=lambda: clock.now).numbers())
    assert abs(clock.now - 100.02) < 1e-9


def test_it_ends_while_it_waits_and_when_it_is_late() -> None:
    clock = Clock()
    clock.ends_at = 100.25
    assert list(Pace(10.0, wait=clock.wait, clock=lambda: clock.now).numbers()) == [0, 1, 2]
    clock.now = 200.0
    late = Pace(10.0, wait=clock.wait, clock=lambda: clock.now)
    clock.now = 300.0
    assert list(late.numbers()) == []
