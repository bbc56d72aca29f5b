"""Whose turn it is: fair, in order, and never lost."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from maskbus.scheduler import Turns
from maskbus.scheduler.stream import Frame, Rules, Stream


def frame(number=0, now=0.0):
    return Frame(number, 0, now, now)


def streams(count, **rules):
    return [Stream(str(i), Rules(always=True, **rules)) for i in range(count)]


@pytest.mark.parametrize(("slow", "fast"), [(1, 120), (1, 1), (3, 5)])
def test_each_has_as_many_turns_as_any_other_however_many_frames_it_sends(slow, fast):
    """Both always have a frame waiting; one of them many more than can be looked at."""
    turns = Turns()
    few, many = streams(2)
    seen: Counter[str] = Counter()
    for number in range(300):
        for stream, rate in ((few, slow), (many, fast)):
            for _ in range(rate):
                stream.offer(frame(number))
                turns.enter(stream, 0.0)
        taken = turns.take(0.0)
        assert taken is not None
        seen[taken[0].name] += 1
        taken[0].done(0.0, 0.0)
        turns.enter(taken[0], 0.0)
    assert seen == {"0": 150, "1": 150}


def test_they_come_one_after_the_other():
    turns, crowd = Turns(), streams(5)
    for stream in crowd:
        stream.offer(frame())
        turns.enter(stream, 0.0)
    order = []
    for _ in range(15):
        stream, _ = turns.take(0.0)
        order.append(stream.name)
        stream.done(0.0, 0.0)
        stream.offer(frame())
        turns.enter(stream, 0.0)
    assert order == list("01234") * 3


def test_a_stream_that_is_being_looked_at_waits_for_no_turn():
    turns = Turns()
    (stream,) = streams(1, policy="every")
    for number in range(3):
        stream.offer(frame(number))
        turns.enter(stream, 0.0)
    assert len(turns) == 1
    assert turns.take(0.0)[1].content == 0
    turns.enter(stream, 0.0)
    assert (len(turns), turns.take(0.0)) == (0, None)
    stream.done(0.0, 0.0)
    turns.enter(stream, 0.0)
    assert turns.take(0.0)[1].content == 1


def test_a_newer_frame_keeps_the_place_of_the_one_it_replaces():
    turns, (first, second) = Turns(), streams(2)
    for moment, stream in enumerate((first, second, first, first)):
        stream.offer(frame(moment, moment))
        turns.enter(stream, moment)
    assert turns.waits_since() == 0
    stream, taken = turns.take(9.0)
    assert (stream, taken.content) == (first, 3)
    assert turns.waits_since() == 1


def test_who_asks_gets_only_what_fits_and_the_others_keep_their_place():
    turns, (first, second, third) = Turns(), streams(3)
    for stream in (first, second, third):
        stream.offer(frame())
        turns.enter(stream, 0.0)
    assert turns.take(0.0, fits=lambda stream: stream is second)[0] is second
    assert turns.take(0.0, fits=lambda stream: False) is None
    assert list(turns) == [first, third]


def test_one_without_a_frame_that_is_worth_it_is_passed_over_and_comes_back_with_its_next():
    turns = Turns()
    idle, busy = Stream("idle", Rules()), Stream("busy", Rules())
    for stream in (idle, busy):
        stream.offer(frame())
        turns.enter(stream, 0.0)
    assert turns.take(0.0, watched=lambda stream: stream is busy)[0] is busy
    assert idle.dropped == {"unwatched": 1}
    assert len(turns) == 0
    idle.offer(frame(1))
    turns.enter(idle, 1.0)
    assert turns.take(1.0)[0] is idle


def test_one_that_has_left_gets_no_turn():
    turns, (stream, resting) = Turns(), [*streams(1), *streams(1, policy="sample", max_fps=1.0)]
    for one in (stream, resting):
        one.offer(frame())
        turns.enter(one, 5.0)
    assert turns.take(5.0, fits=lambda one: one is resting)
    resting.done(5.0, 5.0)
    resting.offer(frame())
    turns.enter(resting, 5.0)
    assert turns.next_event() == 6.0
    for one in (stream, resting):
        turns.leave(one)
        turns.leave(one)
    assert (turns.take(100.0), turns.next_event(), turns.wake(100.0), len(turns)) == (None, None, False, 0)


def test_one_that_rests_enters_when_it_is_time():
    turns = Turns()
    (stream,) = streams(1, policy="sample", max_fps=2.0)
    stream.offer(frame())
    turns.enter(stream, 5.0)
    assert turns.next_event() is None
    assert turns.take(5.0) is not None
    stream.done(5.0, 5.1)
    stream.offer(frame(1))
    turns.enter(stream, 5.1)
    assert (turns.take(5.1), turns.next_event(), turns.wake(5.4)) == (None, 5.5, False)
    assert turns.wake(5.5)
    assert turns.next_event() is None
    assert turns.take(5.5)[1].content == 1


def test_many_streams_of_all_kinds_are_served_fairly_in_order_and_to_the_last_frame():
    seed = 20261121
    print(f"seed {seed}")
    chance = random.Random(seed)
    turns = Turns()
    crowd = [
        Stream(str(i), Rules(policy=policy, max_fps=chance.choice([1.0, 5.0]), max_waiting=4, always=True))
        for i, policy in enumerate(["newest", "every", "sample"] * 5)
    ]
    looked_at: dict[Stream, list[int]] = {stream: [] for stream in crowd}
    working: list[Stream] = []
    now = 10.0
    for number in range(6000):
        now += chance.expovariate(400)
        stream = chance.choice(crowd)
        if stream.limit is None or stream.received < stream.limit:
            stream.offer(frame(number, now))
            turns.enter(stream, now)
        turns.wake(now)
        if len(working) < 2 and (taken := turns.take(now)):
            looked_at[taken[0]].append(taken[1].content)
            working.append(taken[0])
        if working and chance.random() < 0.4:
            done = working.pop(chance.randrange(len(working)))
            done.done(now, now)
            turns.enter(done, now)
        for one in crowd:
            assert one.received == one.answered + sum(one.dropped.values()) + one.under_way
            waits = one.has_waiting and not one.busy
            assert waits == (one in list(turns) or one in turns._resting)
    for seen in looked_at.values():
        assert seen == sorted(set(seen))
    for kind in range(2):  # those that are not held back by a rate of their own
        counts = [len(looked_at[stream]) for stream in crowd[kind::3]]
        assert max(counts) - min(counts) < 0.35 * max(counts), counts
    end = now + 5.0
    while working:
        working.pop().done(end, end)
    for stream in crowd:
        turns.enter(stream, end)
    turns.wake(end)
    while taken := turns.take(end):
        taken[0].done(end, end)
        turns.enter(taken[0], end + 10)
    assert all(not stream.under_way for stream in crowd if stream.rules.policy != "sample")
