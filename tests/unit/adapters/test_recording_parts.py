"""The parts of a recorder that have no socket and no file."""

from __future__ import annotations

import pytest

from maskbus.adapters.recording import wire_message
from maskbus.adapters.recording.inbox import Arrival, Inbox
from maskbus.adapters.recording.moments import PictureTimes, SteadyClock, publish_time
from maskbus.adapters.recording.pace import Pace
from maskbus.adapters.recording.tally import TopicTally
from maskbus.adapters.recording.wanted import Wanted
from maskbus_wire.prompts import Image
from maskbus_wire.replies import Masks, PublishedFrame, StreamCounts

NOW = 1_700_000_000 * 10**9


@pytest.mark.parametrize(
    ("names", "inside", "outside"),
    [
        ((), ["frames/a", "masks/a/b", "masks/x"], ["png:masks/a", "other", "frames"]),
        (("masks/front",), ["masks/front", "masks/front/grabcut"], ["masks/front2", "masks/fron", "png:masks/front"]),
        (("masks/front/",), ["masks/front/grabcut"], ["masks/front"]),
        (("png:masks/", "frames/a"), ["png:masks/a", "frames/a"], ["masks/a", "bits:masks/a", "frames/ab"]),
    ],
)
def test_wanted_topics(names, inside, outside):
    wanted = Wanted(names)
    assert all(topic in wanted for topic in inside)
    assert not any(topic in wanted for topic in outside)
    for topic in inside:
        assert any(topic.encode().startswith(prefix) for prefix in wanted.prefixes)


@pytest.mark.parametrize("name", ["", "/", "png:", "gif:masks/", ":masks"])
def test_what_cannot_be_a_topic(name):
    with pytest.raises(ValueError, match=r"topic|encoding"):
        Wanted([name])


@pytest.mark.parametrize("frames", [[b"t"], [b"t", b"\x80", b"", bytes(70_000)], [b"\xff", b"x"]])
def test_a_message_goes_through_whole(frames):
    assert wire_message.unpack(wire_message.pack(frames)) == frames
    assert wire_message.unpack(wire_message.pack([memoryview(frame) for frame in frames])) == frames


@pytest.mark.parametrize(
    "data", [b"", b"\x90", b"\xa1t", b"\x91\xa1t", b"\x92\xc4\x01t", b"\xc1", b"\x91\xc4\x01t\x00"]
)
def test_what_is_no_message(data):
    with pytest.raises(ValueError, match="recorded message"):
        wire_message.unpack(data)


def arrival(nbytes, topic=b"t"):
    return Arrival(0, [topic, bytes(nbytes - len(topic))])


def test_inbox_is_bounded_by_bytes():
    inbox = Inbox(100)
    assert inbox.put(arrival(500))  # one alone always finds room: it has been received already
    assert inbox.is_crowded
    assert not inbox.put(arrival(1))
    assert inbox.get(0).nbytes == 500
    assert not inbox.is_crowded
    assert [inbox.put(arrival(40)) for _ in range(3)] == [True, True, False]
    assert [inbox.get(0) is None for _ in range(3)] == [False, False, True]


def test_closed_inbox_gives_what_it_has():
    inbox = Inbox(100)
    inbox.put(arrival(10))
    inbox.close()
    assert not inbox.is_finished
    assert inbox.get(10) is not None
    assert inbox.get(10) is None
    assert inbox.is_finished


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        (NOW - 5, NOW - 5),
        (NOW + 3600 * 10**9, NOW + 3600 * 10**9),
        (None, NOW),
        (0, NOW),
        (-1, NOW),
        (12 * 10**9, NOW),  # seconds since a robot was switched on
        (NOW + 10**18, NOW),
    ],
)
def test_publish_time(stamp, expected):
    assert publish_time(stamp, NOW) == expected


def test_a_frame_and_its_masks_have_one_time():
    times = PictureTimes()
    assert times.of_frame("front", 3, None, NOW) == NOW
    assert times.of_masks("front", 3, None, NOW + 99) == NOW
    assert times.of_masks("front", 4, None, NOW + 99) == NOW + 99
    assert times.of_masks("rear", 3, None, NOW + 99) == NOW + 99
    assert times.of_masks(None, None, None, NOW + 99) == NOW + 99
    assert times.of_frame("front", 4, 12, NOW) == times.of_masks("front", 4, 12, NOW + 99) == 12
    for seq in range(5000):
        times.of_frame("front", seq, None, seq)
    assert len(times._received) == 1024
    assert times.of_masks("front", 4999, None, NOW) == 4999


def test_times_that_protobuf_does_not_know():
    assert PictureTimes().of_frame("front", 3, 2**62 * 2 - 1, NOW) == 2**63 - 1
    assert PictureTimes().of_frame("front", 3, -5, NOW) == NOW


def test_clock_never_goes_back():
    clock = SteadyClock()
    times = [clock.now() for _ in range(1000)]
    assert times == sorted(times)


def test_pace():
    assert Pace(0).moment(5) is None
    pace = Pace(2.0)
    first = pace.moment(10**9)
    assert pace.moment(3 * 10**9) == first + 1.0
    again = pace.moment(10**9)  # it is played once more
    assert again >= first
    assert pace.moment(2 * 10**9) == again + 0.5


def frame(seq):
    return PublishedFrame(stream="front", topic="frames/front", image=Image(), seq=seq)


def result(answered, retained=False):
    counts = StreamCounts(received=answered, answered=answered)
    return Masks(model="m", width=1, height=1, masks=[], counts=counts, retained=retained)


@pytest.mark.parametrize(
    ("messages", "gaps"),
    [
        ([frame(0), frame(1), frame(2)], 0),
        ([frame(0), frame(3), frame(5)], 3),
        ([frame(7), frame(0), frame(1)], 0),  # the camera was started again
        ([frame(None), frame(5), frame(None), frame(9)], 0),
        ([result(0), result(1), result(2)], 0),
        ([result(0), result(0), result(1), result(2)], 0),  # one was under way when the next one's turn came
        ([result(4), result(6), result(7)], 0),  # likewise: one may be missing, or none
        ([result(4), result(9), result(10), result(0), result(1), result(4)], 4),  # 4 and 2, or one less each time
        ([result(9, retained=True), result(1), result(2)], 0),
        ([None, None], 0),
    ],
)
def test_gaps(messages, gaps):
    tally = TopicTally()
    for message in messages:
        tally.came(message)
    assert tally.gaps == gaps
