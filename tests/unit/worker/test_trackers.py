"""Trackers of several streams in one worker, within one number of bytes."""

from __future__ import annotations

import random

import numpy as np
import pytest

from maskbus.contract import FreeJob
from maskbus.handlers.echo import EchoHandler
from maskbus.handlers.echo_tracker import EchoTracker
from maskbus.handlers.failing import FailingHandler
from maskbus.interfaces import BadPrompt, Image, JobAborted, LoadContext, Prompt, TrackerOptions, UnsupportedPrompt
from maskbus.worker.trackers import Step, Trackers
from maskbus_wire.errors import WireError
from support.models import Bright

HEIGHT, WIDTH = 10, 20
MASK = HEIGHT * WIDTH
"""Bytes that the echo tracker needs for an object."""
EMPTY = 16
"""Bytes of one without objects."""


class Growing(EchoTracker):
    """Remember each frame."""

    grows = 0

    def __init__(self, options):
        super().__init__(options)
        self.closed = False

    @property
    def nbytes(self):
        return super().nbytes + self.grows * (self.frame + 1)

    def close(self):
        assert not self.closed
        self.closed = True
        super().close()


class Echo(EchoHandler):
    kind = Growing

    def __init__(self, context):
        super().__init__(context)
        self.made = []

    def tracker(self, options):
        self.made.append(self.kind(options))
        return self.made[-1]


def image(height=HEIGHT, width=WIDTH):
    return Image(np.zeros((height, width, 3), np.uint8))


def box(x0=1, y0=1, x1=5, y1=4):
    return Prompt(boxes=np.array([[x0, y0, x1, y1]], np.float32))


def step(session="a", *, begin=False, frame=True, objects=(), remove=(), options=None):
    if isinstance(frame, bool):
        frame = image() if frame else None
    return Step(session, begin, frame, objects, remove, options or TrackerOptions())


@pytest.fixture
def handler():
    return Echo(LoadContext("echo"))


@pytest.fixture
def make(handler):
    return lambda capacity=10**6: Trackers(handler, capacity)


def go(trackers, **fields):
    return trackers.step(step(**fields), FreeJob())


def refused(trackers, job=None, **fields):
    with pytest.raises(WireError) as caught:
        trackers.step(step(**fields), job or FreeJob())
    return caught.value.code, caught.value.path


def test_objects_are_added_followed_corrected_and_removed(make):
    trackers = make()
    tracked, notes = go(trackers, begin=True)
    assert (tracked.object_ids, tracked.masks.shape, notes) == ((), (0, HEIGHT, WIDTH), [])
    tracked, _ = go(trackers, frame=False, objects=[(7, box()), (3, box(0, 0, 1, 1))])
    assert (tracked.object_ids, tracked.frame) == ((7, 3), 0)
    tracked, _ = go(trackers)
    assert (tracked.object_ids, tracked.frame, tracked.masks[0].sum()) == ((7, 3), 1, 12)
    tracked, _ = go(trackers, frame=False, objects=[(7, box(0, 0, 2, 2)), (8, box())], remove=[3])
    assert (tracked.object_ids, list(tracked.masks.sum((1, 2)))) == ((7, 8), [4, 12])
    assert len(tracked.present) == len(tracked.predicted_iou) == 2
    tracked, _ = go(trackers, frame=False, remove=[7, 8, 7])
    assert (tracked.object_ids, tracked.masks.shape) == ((), (0, HEIGHT, WIDTH))
    assert go(trackers)[0].frame == 2


def test_objects_may_come_with_the_first_frame_and_with_any_other(make):
    trackers = make()
    assert go(trackers, begin=True, objects=[(1, box())])[0].object_ids == (1,)
    assert go(trackers, objects=[(2, box())], remove=[1])[0].object_ids == (2,)


def test_logits_go_with_their_objects(make):
    trackers = make()
    go(trackers, begin=True, objects=[(1, box()), (2, box(0, 0, 9, 9))], options=TrackerOptions(logits=True))
    tracked, _ = go(trackers, frame=False, remove=[1])
    assert np.array_equal(tracked.logits[0] > 0, tracked.masks[0])


def test_several_sessions_know_nothing_of_one_another(make, handler):
    trackers = make()
    go(trackers, session="a", begin=True, objects=[(1, box())])
    go(trackers, session="b", begin=True, objects=[(1, box(0, 0, 1, 1)), (2, box())])
    assert go(trackers, session="a")[0].masks.sum() == 12
    assert go(trackers, session="b", frame=False, remove=[1])[0].object_ids == (2,)
    assert go(trackers, session="a")[0].frame == 2
    assert len(trackers) == 2
    assert trackers.nbytes == 2 * EMPTY + 2 * MASK
    trackers.end("a")
    trackers.end("a")
    trackers.end("nobody")
    assert [one.closed for one in handler.made] == [True, False]
    assert refused(trackers, session="a") == ("worker_died", "")
    trackers.close()
    assert len(trackers) == trackers.nbytes == 0
    assert [one.closed for one in handler.made] == [True, True]


def test_beginning_again_takes_the_place_of_what_was_there(make, handler):
    trackers = make()
    go(trackers, begin=True, objects=[(1, box())])
    assert go(trackers, begin=True)[0].object_ids == ()
    assert [one.closed for one in handler.made] == [True, False]
    assert len(trackers) == 1


def test_a_session_that_is_not_here(make):
    assert refused(make(), frame=False, remove=[1]) == ("worker_died", "")


def test_a_model_that_does_not_track():
    trackers = Trackers(Bright(LoadContext("m")), 1000)
    with pytest.raises(UnsupportedPrompt):
        trackers.step(step(begin=True), FreeJob())
    assert len(trackers) == 0


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"objects": [(5, box()), (6, Prompt())]}, "objects[1].prompt"),
        ({"remove": [1, 9]}, "remove[1]"),
        ({"objects": [(5, box())], "remove": [9]}, "remove[0]"),
    ],
)
def test_what_is_refused_changes_nothing(make, fields, path):
    trackers = make()
    go(trackers, begin=True, objects=[(1, box()), (2, box())])
    assert refused(trackers, frame=False, **fields) == ("invalid_value", path)
    tracked, _ = go(trackers)
    assert (tracked.object_ids, tracked.frame) == ((1, 2), 1)


def test_a_frame_that_was_taken_stays_taken(make):
    trackers = make()
    go(trackers, begin=True, objects=[(1, box())])
    assert refused(trackers, objects=[(2, Prompt())])[1] == "objects[0].prompt"
    assert go(trackers)[0].frame == 2


def test_a_frame_of_another_size(make):
    trackers = make()
    go(trackers, begin=True, objects=[(1, box())])
    assert refused(trackers, frame=image(11, 20)) == ("invalid_value", "image")
    assert go(trackers)[0].object_ids == (1,)


@pytest.mark.parametrize("fields", [{"objects": [(1, Prompt())]}, {"remove": [1]}])
def test_a_beginning_that_fails_leaves_nothing(make, handler, fields):
    trackers = make()
    refused(trackers, begin=True, **fields)
    assert (len(trackers), trackers.nbytes) == (0, 0)
    assert handler.made[0].closed
    assert go(trackers, begin=True)[0].frame == 0


def test_a_tracker_that_cannot_be_made(make, handler):
    handler.kind = lambda options: (_ for _ in ()).throw(MemoryError())
    trackers = make()
    with pytest.raises(MemoryError):
        go(trackers, begin=True)
    assert len(trackers) == 0


def test_a_step_that_is_cancelled_adds_nothing(make):
    class Cancelled(FreeJob):
        left = 2

        def check(self):
            self.left -= 1
            if not self.left:
                raise JobAborted("The request was cancelled.")

    trackers = make()
    go(trackers, begin=True, objects=[(1, box())])
    with pytest.raises(JobAborted):
        trackers.step(step(frame=False, objects=[(2, box()), (3, box()), (4, box())], remove=[1]), Cancelled())
    assert go(trackers)[0].object_ids == (1,)


# -- bytes -------------------------------------------------------------------------------------------------------------


def test_objects_beyond_the_limit_are_refused_and_all_is_as_before(make):
    trackers = make(EMPTY + 3 * MASK)
    go(trackers, begin=True, objects=[(1, box())])
    before = trackers.nbytes
    assert refused(trackers, frame=False, objects=[(2, box()), (3, box()), (4, box())]) == ("too_large", "objects")
    assert trackers.nbytes == before
    assert go(trackers, objects=[(2, box()), (3, box())])[0].object_ids == (1, 2, 3)
    assert go(trackers)[0].object_ids == (1, 2, 3)


def test_the_limit_is_that_of_all_sessions_together(make):
    trackers = make(2 * EMPTY + 2 * MASK)
    go(trackers, session="a", begin=True, objects=[(1, box()), (2, box())])
    assert refused(trackers, session="b", begin=True, objects=[(1, box())]) == ("too_large", "objects")
    assert len(trackers) == 1
    go(trackers, session="b", begin=True)
    assert refused(trackers, session="b", frame=False, objects=[(1, box())]) == ("too_large", "objects")
    go(trackers, session="a", frame=False, remove=[1])
    assert go(trackers, session="b", frame=False, objects=[(1, box())])[0].object_ids == (1,)


def test_who_grows_gives_up_what_was_added_last(make, monkeypatch):
    trackers = make(EMPTY + 3 * MASK)
    go(trackers, begin=True, objects=[(5, box()), (9, box()), (7, box())])
    monkeypatch.setattr(Growing, "grows", 60)
    tracked, notes = go(trackers)
    assert tracked.object_ids == (5, 9)
    (note,) = notes
    assert "object 7 " in note
    assert go(trackers)[1] == []
    tracked, notes = go(trackers)
    assert (tracked.object_ids, len(tracked.masks)) == ((5,), 1)
    tracked, notes = trackers.step(step(), FreeJob())
    for _ in range(20):  # beyond what can be given up: it goes on without any
        tracked, notes = go(trackers)
    assert (tracked.object_ids, notes) == ((), [])


# -- the echo and the failing tracker ----------------------------------------------------------------------------------


def test_the_failing_tracker_fails_at_the_frame_that_was_asked_for_and_goes_on():
    trackers = Trackers(FailingHandler(LoadContext("m")), 1000)
    options = TrackerOptions(extra={"raise": "odd", "at": 2})
    go(trackers, begin=True, objects=[(1, box())], options=options)
    go(trackers)
    with pytest.raises(RuntimeError):
        go(trackers)
    assert [go(trackers)[0].object_ids for _ in range(3)] == [(1,)] * 3


def test_the_failing_tracker_answers_a_wrong_shape_once():
    trackers = Trackers(FailingHandler(LoadContext("m")), 1000)
    options = TrackerOptions(extra={"shape": True, "at": 1})
    go(trackers, begin=True, objects=[(1, box())], options=options)
    assert go(trackers)[0].masks.shape == (1, 1, 1)
    assert go(trackers)[0].masks.shape == (1, HEIGHT, WIDTH)


def test_echo_takes_no_more_objects_than_it_was_told():
    tracker = EchoTracker(TrackerOptions(max_objects=2))
    tracker.advance(image(), FreeJob())
    tracker.prompt(1, box(), FreeJob())
    tracker.prompt(2, box(), FreeJob())
    with pytest.raises(BadPrompt):
        tracker.prompt(3, box(), FreeJob())
    assert tracker.prompt(2, box(0, 0, 1, 1), FreeJob()).masks[1].sum() == 1


# -- whatever happens --------------------------------------------------------------------------------------------------


def test_whatever_is_asked_the_budget_is_kept_and_refusals_change_nothing(make):
    seed = 20261121
    print(f"seed {seed}")
    chance = random.Random(seed)
    capacity = 3 * EMPTY + 7 * MASK
    trackers = make(capacity)
    following: dict[str, list[int]] = {}
    for _ in range(1500):
        session = chance.choice("abc")
        begin = session not in following and chance.random() < 0.9
        objects = [(number, box()) for number in chance.sample(range(6), chance.randrange(4))]
        remove = chance.sample(range(6), chance.choice([0, 0, 1, 2]))
        frame = begin or chance.random() < 0.6
        try:
            tracked, notes = go(trackers, session=session, begin=begin, frame=frame, objects=objects, remove=remove)
        except WireError:
            pass
        else:
            here = following.setdefault(session, [])
            here += [number for number, _ in objects if number not in here]
            following[session] = [number for number in here if number not in remove]
            assert list(tracked.object_ids) == following[session]
            assert len(tracked.masks) == len(tracked.present) == len(tracked.object_ids)
            assert not notes
        if chance.random() < 0.02:
            trackers.end(session)
            following.pop(session, None)
        assert trackers.nbytes <= capacity
        assert trackers.nbytes == EMPTY * len(trackers) + MASK * sum(map(len, following.values()))
        assert len(trackers) == len(following)
