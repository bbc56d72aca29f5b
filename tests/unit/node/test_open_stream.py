"""What the node remembers of one stream."""

from __future__ import annotations

import pytest

from maskbus.node.open_stream import OpenStream
from maskbus_wire.errors import WireError
from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.prompts import MaskPrompt, Prompt
from maskbus_wire.requests import StreamOpen, TrackedObject

SECOND = 10**9


def make(**fields):
    return OpenStream(StreamOpen(stream="front", model="echo", **fields), "session", 100.0)


def dot(object_id, x=1.0):
    return TrackedObject(object_id=object_id, prompt=Prompt(points=[(x, 1)]))


def mask(object_id, **fields):
    return TrackedObject(object_id=object_id, prompt=Prompt(mask=MaskPrompt(**fields)))


def pend(stream, *objects, remove=(), attachments=(), room=1000):
    stream.pend(objects, remove, attachments, DEFAULT_LIMITS, lambda: room)


def waits(stream):
    return {number: one.object.prompt.points[0][0] for number, one in stream.pending.items()}


def test_topics_and_what_is_told_before_the_first_frame():
    stream = make(policy="every", max_waiting=3)
    assert (stream.topic, stream.frames_topic) == ("masks/front/echo", "frames/front")
    assert (stream.told, stream.follows) == (3, False)
    info = stream.info(101.5, watched=True)
    assert (info.stream, info.width, info.height, info.idle_s, info.watched) == ("front", 0, 0, 1.5, True)
    assert (info.counts.received, info.p50_ms, info.rate_in) == (0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("age_from", "stamp", "age"),
    [
        ("receipt", 1, 0.0),
        ("stamp", None, 0.0),
        ("stamp", 1_000 * SECOND, 0.0),
        ("stamp", 998 * SECOND, 2.0),
        ("stamp", 0, 1000.0),  # a clock that believes it is 1970
        ("stamp", 1_005 * SECOND, -5.0),
        ("stamp", -(2**63), 2**63 / SECOND + 1000),
    ],
)
def test_what_a_frame_s_age_counts_from(age_from, stamp, age):
    stream = make(age_from=age_from)
    assert 50.0 - stream.born(stamp, 50.0, 1_000 * SECOND) == pytest.approx(age)


def test_objects_wait_for_the_next_frame_and_the_later_word_counts():
    stream = make(track=True)
    pend(stream, dot(1), dot(2))
    pend(stream, dot(2, 5.0), dot(3), remove=[1])
    assert waits(stream) == {2: 5.0, 3: 1.0}


def test_what_is_given_while_the_first_frame_is_looked_at_is_for_the_next():
    stream = make(track=True)
    pend(stream, dot(1), dot(2), dot(3))
    stream.prompt()
    pend(stream, dot(1, 5.0), remove=[2])
    stream.followed_by(1, (1, 2, 3))
    assert (waits(stream), stream.unwanted) == ({1: 5.0}, {2})
    stream.prompt()
    stream.followed_by(1, (1, 3))
    assert (stream.pending, stream.unwanted, stream.objects) == ({}, set(), (1, 3))


def test_a_first_frame_that_failed_leaves_things_as_they_were_but_for_what_was_said_meanwhile():
    stream = make(track=True)
    pend(stream, dot(1), dot(2), dot(3))
    stream.prompt()
    pend(stream, dot(1, 5.0), remove=[2])
    stream.unprompt()
    assert (waits(stream), stream.unwanted) == ({1: 5.0, 3: 1.0}, set())


def test_one_that_was_taken_away_can_be_given_again():
    stream = make(track=True)
    stream.followed_by(1, (7,))
    pend(stream, remove=[7])
    pend(stream, dot(7))
    assert (list(stream.pending), stream.unwanted) == ([7], set())


def test_only_what_is_there_can_be_taken_away():
    stream = make(track=True)
    pend(stream, dot(1))
    with pytest.raises(WireError) as caught:
        pend(stream, dot(2), remove=[1, 9])
    assert (caught.value.code, caught.value.path) == ("invalid_value", "remove[1]")
    assert list(stream.pending) == [1]
    pend(stream, dot(2), remove=[2, 1, 1])
    assert not stream.pending


def test_masks_are_kept_without_the_rest_of_their_message():
    stream = make(track=True)
    rest = memoryview(b"x" * 100)
    pend(
        stream,
        mask(1, encoding="raw", attachment=1),
        mask(2, encoding="raw", data=b"abc"),
        mask(3, encoding="raw", base64="YWI="),
        mask(4, encoding="rle", counts="52203"),
        attachments=[rest, rest[:60]],
    )
    assert [one.nbytes for one in stream.pending.values()] == [60, 3, 2, 5]
    assert stream.pending_bytes == 70
    assert stream.pending[1].attachments == [b"x" * 60]


def test_there_is_a_limit_to_what_waits():
    stream = make(track=True)
    pend(stream, *(dot(i) for i in range(200)))
    with pytest.raises(WireError) as caught:
        pend(stream, *(dot(i) for i in range(150, 257)))
    assert (caught.value.code, caught.value.path) == ("too_large", "objects")
    with pytest.raises(WireError) as caught:
        pend(stream, mask(1, encoding="raw", data=b"abc"), room=2)
    assert caught.value.code == "busy"
    assert len(stream.pending) == 200
    with pytest.raises(WireError) as caught:
        pend(stream, dot(900), mask(1, encoding="raw", base64="!"))
    assert caught.value.path == "objects[1].prompt.mask.base64"
    assert len(stream.pending) == 200


def test_objects_are_lost_with_their_worker_until_they_are_given_again():
    stream = make(track=True)
    stream.followed_by(3, (1, 2))
    assert (stream.worker, stream.follows, stream.objects) == (3, True, (1, 2))
    stream.lose("It died.")
    assert (stream.follows, stream.objects) == (False, ())
    assert "lost" in stream.lost
    assert "It died." in stream.info(0.0, watched=False).last_error
    stream.followed_by(3, ())
    stream.lose("It died again.")
    assert "It died." in stream.lost  # the news is still the same: nobody has given them again
    pend(stream, dot(1))
    assert not stream.lost


def test_nothing_is_lost_where_nothing_was_followed():
    stream = make(track=True)
    stream.lose("It died.")
    assert not stream.lost
    stream.followed_by(3, ())
    stream.lose("It died.")
    assert not stream.lost
    assert not stream.follows
