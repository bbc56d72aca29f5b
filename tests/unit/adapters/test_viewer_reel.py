"""Frames and masks come together, whatever comes first, and nothing piles up."""

from __future__ import annotations

import random

import numpy as np

from maskbus.adapters.viewer import reel
from maskbus.adapters.viewer.frame import Frame
from maskbus.adapters.viewer.reel import Reel
from maskbus_client.results import Result
from maskbus_wire.prompts import Image
from maskbus_wire.replies import Masks

ROOM = 1 << 20


def frame(seq: int | None, stamp: int | None = None, size: int = 12) -> Frame:
    image = Image(attachment=0, encoding="rgb8", width=size // 3, height=1)
    return Frame((seq, stamp), image, bytes(size), 0.0)


def result(seq: int | None, stamp: int | None = None) -> Result:
    return Result(Masks(model="m", width=4, height=1, masks=[], seq=seq, stamp=stamp, stream="s"), [])


def shown(one: Reel) -> tuple[int | None, bool]:
    assert one.shown is not None
    return one.shown.frame.key[0], one.shown.result is not None


def test_before_the_first_masks_a_frame_is_shown_without_after_a_moment():
    one = Reel(ROOM)
    assert not one.add(frame(0), 7.0)
    assert not one.look(7.4)
    assert one.look(7.6)
    assert shown(one) == (0, False)
    assert one.add(frame(1), 7.7)
    assert one.match(result(0), 8.0)
    assert shown(one) == (0, True)


def test_once_there_are_masks_only_frames_with_masks_are_shown():
    one = Reel(ROOM)
    assert not one.add(frame(0), 0.0)
    assert one.match(result(0), 0.1)
    assert shown(one) == (0, True)
    assert not one.add(frame(1), 0.2)
    assert not one.add(frame(2), 0.3)
    assert one.match(result(1), 0.4)
    assert shown(one) == (1, True)
    assert len(one) == 2  # frame 0 will have no masks any more


def test_masks_may_come_before_their_frame():
    one = Reel(ROOM)
    one.add(frame(0), 0.0)
    one.match(result(0), 0.0)
    assert not one.match(result(1), 0.1)
    assert one.add(frame(1), 0.2)
    assert shown(one) == (1, True)


def test_masks_of_another_frame_are_never_shown_on_this_one():
    one = Reel(ROOM)
    one.add(frame(5, 50), 0.0)
    assert not one.match(result(5, 51), 0.1)  # the camera was restarted and counts anew
    assert not one.match(result(4, 50), 0.1)
    assert one.shown is None


def test_a_frame_without_number_and_time_goes_with_the_next_masks():
    one = Reel(ROOM)
    one.add(frame(None), 0.0)
    one.add(frame(None), 0.1)
    assert len(one) == 1
    assert one.match(result(None), 0.2)


def test_without_masks_for_long_the_newest_frame_is_shown_without():
    one = Reel(ROOM)
    one.add(frame(0), 0.0)
    one.match(result(0), 0.0)
    assert not one.add(frame(1), 1.9)
    assert one.look(2.1)
    assert shown(one) == (1, False)
    assert not one.look(2.2)
    assert one.add(frame(2), 2.3)


def test_slow_masks_are_waited_for_longer():
    one = Reel(ROOM)
    for seq, now in enumerate((0.0, 2.0, 4.0)):
        one.add(frame(seq), now)
        one.match(result(seq), now)
    assert not one.add(frame(3), 9.9)
    assert one.look(10.1)


def test_masks_that_were_corrected_replace_those_of_the_frame_that_is_shown():
    one = Reel(ROOM)
    one.add(frame(0), 0.0)
    one.match(result(0), 0.0)
    first = one.shown
    one.add(frame(1), 0.1)
    one.match(result(1), 0.1)
    assert one.match(result(1), 0.2)
    assert one.shown is not None
    assert first is not None
    assert one.shown.version > first.version


def test_what_waits_is_bounded_in_number_and_in_bytes():
    one = Reel(1000)
    for seq in range(50):
        one.add(frame(seq, size=300), 0.0)
    assert one.nbytes <= 2000
    assert one.heavy() is not None
    small = Reel(ROOM)
    for seq in range(reel.MOST_FRAMES + 10):
        small.add(frame(seq), 0.0)
    assert len(small) == reel.MOST_FRAMES
    assert small.heavy() is None


def test_frames_that_were_made_smaller_make_room_for_others():
    one = Reel(40_000)
    noise = np.random.default_rng(0).integers(0, 255, 30_000, np.uint8).tobytes()
    for seq in range(3):
        one.add(Frame((seq, None), Image(attachment=0, encoding="rgb8", width=100, height=100), noise, 0.0), 0.0)
        while (heavy := one.heavy()) is not None:
            heavy.press(16)
    assert len(one) == 3
    assert one.nbytes <= 40_000
    assert one.match(result(0), 0.1)


def test_whatever_the_order_masks_lie_on_their_own_frame():
    seed = random.randrange(1 << 30)
    print("seed", seed)
    dice = random.Random(seed)
    one = Reel(ROOM)
    numbers = iter(range(10_000))
    sent: list[int] = []
    now = 0.0
    for _ in range(2000):
        now += dice.random() / 5
        if dice.random() < 0.6 or not sent:
            seq = next(numbers)
            sent.append(seq)
            one.add(frame(seq), now)
        else:
            seq = dice.choice(sent[-20:])
            one.match(result(seq), now)
        if one.shown is not None and one.shown.result is not None:
            assert one.shown.result.seq == one.shown.frame.key[0]
        assert len(one) <= reel.MOST_FRAMES
