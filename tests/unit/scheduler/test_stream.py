"""One stream, without a clock: what is looked at, what is dropped, and that nothing is lost count of."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from maskbus.scheduler.stream import Frame, OverLimit, Rules, Stream


class Camera:
    """Make frames, and count how often each is let go."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.let_go: Counter[int] = Counter()

    def frame(self, now: float = 0.0, *, born: float | None = None, nbytes: int = 1) -> Frame:
        number = len(self.frames)
        made = Frame(number, nbytes, now, now if born is None else born, lambda: self.let_go.update([number]))
        self.frames.append(made)
        return made


@pytest.fixture
def camera():
    return Camera()


def balanced(stream):
    return stream.received == stream.answered + sum(stream.dropped.values()) + stream.under_way


def taken(stream, now=0.0, *, watched=True):
    frame = stream.take(now, watched=watched)
    return None if frame is None else frame.content


def test_newest_keeps_one_and_drops_the_one_before(camera):
    stream = Stream("s", Rules())
    for _ in range(5):
        stream.offer(camera.frame())
    assert (stream.under_way, stream.dropped, camera.let_go) == (1, {"newer": 4}, {0: 1, 1: 1, 2: 1, 3: 1})
    assert taken(stream) == 4
    assert stream.busy
    stream.offer(camera.frame())
    assert stream.under_way == 2
    stream.done(0.0, 1.0)
    assert (stream.answered, taken(stream)) == (1, 5)
    assert stream.limit is None
    assert balanced(stream)


def test_every_keeps_all_in_their_order_and_refuses_what_is_over_the_limit(camera):
    stream = Stream("s", Rules(policy="every", max_waiting=3))
    assert stream.limit == 3
    for _ in range(3):
        stream.offer(camera.frame())
    assert stream.limit == 3
    with pytest.raises(OverLimit):
        stream.offer(camera.frame())
    assert (stream.dropped, camera.let_go) == ({"over_limit": 1}, {3: 1})
    assert stream.limit == 4  # the one too many was counted, so it cannot be sent once more for nothing
    assert taken(stream) == 0
    assert stream.limit == 4
    stream.done(0.0, 0.0)
    assert stream.limit == 5
    stream.offer(camera.frame())
    assert [taken(stream) for _ in range(4)] == [1, 2, 4, None]


def test_a_frame_that_is_being_looked_at_counts_for_the_limit(camera):
    stream = Stream("s", Rules(policy="every", max_waiting=1))
    stream.offer(camera.frame())
    assert taken(stream) == 0
    with pytest.raises(OverLimit):
        stream.offer(camera.frame())
    stream.abandon("failed")
    assert stream.limit == stream.received + 1
    assert balanced(stream)


def test_the_old_and_the_unwatched_are_dropped_when_their_turn_comes(camera):
    stream = Stream("s", Rules(policy="every", max_waiting=8, max_age=1.0))
    stream.offer(camera.frame(0.0))
    stream.offer(camera.frame(5.0, born=-1e9))
    stream.offer(camera.frame(5.0, born=1e9))
    stream.offer(camera.frame(5.0))
    assert camera.let_go == {}
    assert taken(stream, 5.5) == 2
    assert stream.dropped == {"stale": 2}
    stream.done(5.0, 6.0)
    assert taken(stream, 5.5, watched=False) is None
    assert stream.dropped == {"stale": 2, "unwatched": 1}
    assert camera.let_go == {0: 1, 1: 1, 3: 1}


def test_a_frame_of_exactly_the_age_is_not_too_old(camera):
    stream = Stream("s", Rules(max_age=1.0))
    stream.offer(camera.frame(2.0))
    assert taken(stream, 3.0) == 0


def test_always(camera):
    stream = Stream("s", Rules(always=True))
    stream.offer(camera.frame())
    assert taken(stream, watched=False) == 0


def test_closing_drops_what_waits_once(camera):
    stream = Stream("s", Rules(policy="every"))
    for _ in range(3):
        stream.offer(camera.frame(nbytes=7))
    assert stream.waiting_bytes == 21
    stream.shed("closed")
    stream.shed("closed")
    assert (stream.dropped, camera.let_go, stream.waiting_bytes) == ({"closed": 3}, {0: 1, 1: 1, 2: 1}, 0)


def test_one_that_was_never_taken_in_is_counted_and_let_go(camera):
    stream = Stream("s", Rules(policy="every", max_waiting=2))
    stream.refuse(camera.frame(), "memory")
    assert (stream.received, stream.dropped, stream.limit, camera.let_go) == (1, {"memory": 1}, 3, {0: 1})


# -- sample ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("camera_fps", "max_fps"), [(30.0, 10.0), (30.0, 20.0), (30.0, 7.3), (10.0, 10.0), (240.0, 29.97), (1000.0, 2.0)]
)
def test_sample_keeps_its_rate_over_a_long_time(camera_fps, max_fps):
    seed = 5
    print(f"seed {seed}")
    chance = random.Random(seed)
    stream, now, count, looked = Stream("s", Rules(policy="sample", max_fps=max_fps)), 0.0, 4000, []
    number = 0
    for number in range(count):
        # The camera is a little late now and then, and so is the one who asks for the next frame.
        arrives = 1.0 + number / camera_fps + chance.uniform(0, 0.1) / camera_fps
        while stream.has_waiting and stream.rests_until < arrives:
            now = max(now, stream.rests_until + chance.uniform(0, 0.05) / max_fps)
            assert stream.take(now, watched=True) is not None
            looked.append(now)
            stream.done(now, now)
        now = arrives
        stream.offer(Frame(number, 0, now, now))
        if stream.rests_until <= now:
            assert stream.take(now, watched=True) is not None
            looked.append(now)
            stream.done(now, now)
    wanted = min(camera_fps, max_fps) * count / camera_fps
    assert abs(len(looked) - wanted) <= 1 + 0.01 * wanted
    gaps = [b - a for a, b in itertools.pairwise(looked)]
    assert min(gaps) >= 0.49 / max_fps
    assert balanced(stream)


def test_sample_never_looks_at_more_than_it_may_in_any_second():
    seed = 6
    print(f"seed {seed}")
    chance = random.Random(seed)
    stream, now, looked = Stream("s", Rules(policy="sample", max_fps=10.0)), 100.0, []
    for number in range(5000):
        now += chance.expovariate(25.0)  # bursts and pauses
        stream.offer(Frame(number, 0, now, now))
        if stream.rests_until <= now:
            stream.take(now, watched=True)
            stream.done(now, now)
            looked.append(now)
    for i, moment in enumerate(looked):
        assert sum(moment <= other < moment + 1.0 for other in looked[i : i + 20]) <= 11


def test_what_came_too_soon_is_told_from_what_had_to_make_way(camera):
    stream = Stream("s", Rules(policy="sample", max_fps=1.0))
    stream.offer(camera.frame(10.0))
    stream.offer(camera.frame(10.1))  # nothing has been looked at yet: this is no matter of the rate
    assert stream.dropped == {"newer": 1}
    assert taken(stream, 10.2) == 1
    stream.done(10.1, 10.3)
    stream.offer(camera.frame(10.4))
    stream.offer(camera.frame(10.5))
    assert stream.dropped == {"newer": 1, "sampled": 1}
    stream.offer(camera.frame(11.5))  # it may be looked at by now, but nobody had the time
    assert stream.dropped == {"newer": 2, "sampled": 1}


# -- what is told ------------------------------------------------------------------------------------------------------


def test_rates_are_those_of_the_last_seconds():
    stream = Stream("s", Rules())
    for i in range(101):
        now = 1000 + i / 10
        stream.offer(Frame(i, 0, now, now))
        stream.take(now, watched=True)
        if i % 2:
            stream.done(now, now)
        else:
            stream.abandon("failed")
    assert stream.rates(1010.0) == pytest.approx((10.0, 5.0), rel=0.05)
    assert stream.rates(1100.0) == (0.0, 0.0)


def test_the_rate_of_a_fast_camera_is_not_cut_off():
    stream = Stream("s", Rules())
    for i in range(5000):
        stream.offer(Frame(i, 0, i / 500, i / 500))
    assert stream.rates(10.0)[0] == pytest.approx(500, rel=0.02)


def test_percentiles():
    stream = Stream("s", Rules())
    assert stream.percentiles() == (0.0, 0.0)
    for i in range(100):
        stream.offer(Frame(i, 0, 0.0, 0.0))
        stream.take(0.0, watched=True)
        stream.done(0.0, float(i))
    assert stream.percentiles() == (50.0, 99.0)


# -- whatever happens --------------------------------------------------------------------------------------------------


class Whatever(RuleBasedStateMachine):
    """A stream to which anything happens in any order."""

    @rule(
        policy=st.sampled_from(["newest", "every", "sample"]),
        most=st.integers(1, 4),
        fps=st.sampled_from([0.5, 3.0, 40.0]),
        age=st.sampled_from([None, 0.3, 2.0]),
        always=st.booleans(),
    )
    @precondition(lambda self: not hasattr(self, "stream"))
    def open(self, policy, most, fps, age, always):
        self.camera = Camera()
        self.now = 50.0
        self.stream = Stream("s", Rules(policy, fps if policy == "sample" else 0.0, most, age, always))
        self.looked_at: list[int] = []
        self.current: Frame | None = None

    def is_open(self):
        return hasattr(self, "stream")

    @rule(seconds=st.floats(0, 3))
    @precondition(is_open)
    def wait(self, seconds):
        self.now += seconds

    @rule(older=st.floats(-1, 3))
    @precondition(is_open)
    def offer(self, older):
        limit, sent = self.stream.limit, self.stream.received
        try:
            self.stream.offer(self.camera.frame(self.now, born=self.now - older))
        except OverLimit:
            assert limit is not None
            assert sent >= limit
        else:
            assert limit is None or sent < limit

    @rule()
    @precondition(is_open)
    def refuse(self):
        self.stream.refuse(self.camera.frame(self.now), "memory")

    @rule(watched=st.booleans())
    @precondition(lambda self: self.is_open() and not self.stream.busy)
    def take(self, watched):
        frame = self.stream.take(self.now, watched=watched)
        if frame is not None:
            assert watched or self.stream.rules.always
            assert self.stream.rules.max_age is None or self.now - frame.born <= self.stream.rules.max_age
            self.looked_at.append(frame.content)
            frame.let_go()  # as who looks at it does once it has it

    @rule(answered=st.booleans())
    @precondition(lambda self: self.is_open() and self.stream.busy)
    def finish(self, answered):
        if answered:
            self.stream.done(self.now, self.now)
        else:
            self.stream.abandon("failed")

    @rule()
    @precondition(is_open)
    def close(self):
        self.stream.shed("closed")
        if self.stream.busy:
            self.stream.abandon("closed")
        assert self.stream.under_way == 0
        assert self.camera.let_go == dict.fromkeys(range(len(self.camera.frames)), 1)

    @invariant()
    def counts_add_up(self):
        if self.is_open():
            assert balanced(self.stream)
            assert self.stream.received == len(self.camera.frames)

    @invariant()
    def nothing_is_let_go_twice_or_kept(self):
        if self.is_open():
            assert set(self.camera.let_go.values()) <= {1}
            waiting = self.stream.under_way - self.stream.busy
            assert len(self.camera.let_go) == len(self.camera.frames) - waiting
            assert (self.stream.waiting_bytes, self.stream.has_waiting) == (waiting, waiting > 0)

    @invariant()
    def no_more_wait_than_may(self):
        if self.is_open():
            most = self.stream.rules.max_waiting if self.stream.rules.policy == "every" else 2
            assert self.stream.under_way <= most

    @invariant()
    def frames_keep_their_order(self):
        if self.is_open():
            assert self.looked_at == sorted(set(self.looked_at))


TestWhatever = Whatever.TestCase
TestWhatever.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
