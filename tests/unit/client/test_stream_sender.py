"""What goes out over a stream's connection and what is made of what comes back: no socket, no node, a clock by hand."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np
import pytest

from maskbus_client.core import Peer, Policy
from maskbus_client.errors import Busy, InvalidImage, InvalidValue, ProtocolError, UnknownModel
from maskbus_client.stream_sender import FrameSender
from maskbus_wire import replies, requests
from maskbus_wire.frames import encode
from maskbus_wire.prompts import Prompt

PICTURE = np.zeros((6, 8, 3), np.uint8)
LARGE = np.zeros((200, 200, 3), np.uint8)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A sender, the clock it looks at, and what has been sent."""

    def __init__(self, *, limit: int | None = None, shared_memory: bool = False, **fields: Any) -> None:
        self.clock = Clock()
        peer = Peer("tcp://127.0.0.1:1", Policy(), clock=self.clock)
        request = requests.StreamOpen(stream="front", **fields)
        self.sender = FrameSender(peer, request, opened(limit=limit), shared_memory=shared_memory)

    def say(self, reply: replies.Reply) -> None:
        self.sender.notice([b"", *encode(reply)])

    def send(self, image: np.ndarray = PICTURE, **fields: Any) -> dict[str, Any]:
        """Send a frame whatever the sender thinks of it; return its header."""
        made = self.make(image, **fields)
        self.sender.handed_over(made)
        return msgpack.unpackb(made.frames[0])

    def make(self, image: np.ndarray = PICTURE, **fields: Any) -> Any:
        given = {"stamp": 5, "frame_id": None, "seq": None, **fields}
        return self.sender.make(self.sender.take(image, **given))

    def errand(self) -> dict[str, Any] | None:
        """Send what is to go out first, if anything; return its header."""
        errand = self.sender.errand()
        if errand is None:
            return None
        errand.sent()
        return msgpack.unpackb(errand.frames[0])


def opened(id: str = "", limit: int | None = None) -> replies.StreamOpened:
    topics = {"topic": "masks/front/fake", "frames_topic": "frames/front"}
    return replies.StreamOpened(id=id, stream="front", model="fake", limit=limit, **topics)


def unknown(seq: int, id: str = "") -> replies.Error:
    return replies.Error(id=id, code="unknown_stream", message="Not open.", path="stream", stream="front", seq=seq)


def listed(id: str, received: int, under_way: int = 0, name: str = "front") -> replies.Streams:
    counts = replies.StreamCounts(received=received)
    info = replies.StreamInfo(stream=name, model="m", topic="t", policy="every", counts=counts, under_way=under_way)
    return replies.Streams(id=id, streams=[info])


def test_frames_are_numbered_by_themselves():
    bench = Bench()
    assert [bench.send()["seq"] for _ in range(3)] == [0, 1, 2]
    assert bench.send(seq=77)["seq"] == 77
    assert bench.send()["seq"] == 4
    # One that was taken and not sent leaves a gap by which it can be told.
    bench.sender.take_back(bench.make())
    assert bench.send()["seq"] == 6
    assert bench.sender.sent == 6


def test_a_frame_says_what_it_is_and_asks_for_no_answer():
    header = Bench().send(stamp=9, frame_id="cam")
    assert {key: value for key, value in header.items() if key != "image"} == {
        "maskbus": header["maskbus"],
        "op": "stream.frame",
        "stream": "front",
        "stamp": 9,
        "frame_id": "cam",
        "seq": 0,
    }
    assert header["image"] == {"attachment": 0, "encoding": "rgb8", "width": 8, "height": 6}


def test_a_frame_without_a_time_gets_the_time():
    assert Bench().send(stamp=None)["stamp"] > 10**18


@pytest.mark.parametrize(
    ("image", "fields", "error"),
    [
        (PICTURE, {"stamp": 1.5}, TypeError),
        (PICTURE, {"seq": "1"}, TypeError),
        (PICTURE, {"frame_id": 5}, TypeError),
        (PICTURE, {"seq": 2**63}, InvalidValue),
        (np.zeros((2, 2), np.float32), {}, TypeError),
        (5, {}, TypeError),
    ],
)
def test_what_can_be_no_frame_is_refused_here(image, fields, error):
    bench = Bench()
    with pytest.raises(error):
        bench.make(image, **fields)
    assert bench.send()["seq"] == 0


def test_newest_needs_no_credit():
    bench = Bench()
    for _ in range(1000):
        assert bench.sender.has_credit
        bench.send()
    assert bench.errand() is None


def test_every_stops_at_the_limit_and_goes_on_with_the_next():
    bench = Bench(policy="every", max_waiting=2, limit=2)
    for limit in (3, 5):
        while bench.sender.has_credit:
            bench.send()
        bench.say(replies.StreamCredit(stream="front", limit=limit))
    assert bench.sender.has_credit
    bench.say(replies.StreamCredit(stream="front", limit=4))  # one that was overtaken takes nothing back
    assert bench.sender.limit == 5
    assert bench.sender.sent == 3
    bench.say(replies.StreamFrameTaken(stream="front", limit=6))
    assert bench.sender.limit == 6


def test_an_answer_says_when_all_is_done():
    bench = Bench(policy="every", max_waiting=2, limit=2)
    assert bench.sender.is_settled
    bench.send()
    assert not bench.sender.is_settled
    bench.say(replies.StreamCredit(stream="front", limit=3))
    assert bench.sender.is_settled


def test_errors_about_frames_are_kept_and_raised_once():
    bench = Bench()
    bench.send()
    for code in ("invalid_value", "invalid_image"):
        bench.say(replies.Error(code=code, message="No.", stream="front", seq=0))
    assert bench.sender.errors == 2
    with pytest.raises(InvalidImage):
        bench.sender.check()
    bench.sender.check()
    assert isinstance(bench.sender.last_error, InvalidImage)


def test_garbage_is_an_error_and_a_later_version_is_not():
    bench = Bench()
    bench.sender.notice([b"", b"\xc1"])
    with pytest.raises(ProtocolError):
        bench.sender.check()
    bench.sender.notice([b"", msgpack.packb({"maskbus": "1.9", "reply": "stream.weather"})])
    assert bench.sender.errors == 1


def test_a_stream_that_is_not_known_is_opened_again_as_it_is_now():
    given = requests.TrackedObject(object_id=1, prompt=Prompt(points=[(1.0, 2.0)]))
    bench = Bench(track=True, objects=[given], encodings=["rle"], max_age_ms=100)
    changes = {"objects": [given], "encodings": ["png"], "always": True, "max_age_ms": 0, "options": {"a": 1}}
    bench.sender.changed(requests.StreamUpdate(stream="front", **changes))
    bench.send()
    bench.send()
    bench.say(unknown(0))
    header = bench.errand()
    assert header is not None
    id = header.pop("id")
    assert header == {
        "maskbus": header["maskbus"],
        "op": "stream.open",
        "stream": "front",
        "track": True,
        "encodings": ["png"],
        "always": True,
        "options": {"a": 1},
    }
    # A frame may follow at once; what was sent before says nothing new.
    assert bench.errand() is None
    assert bench.sender.has_credit
    bench.say(unknown(1))
    bench.send()
    bench.say(opened(id))
    assert bench.errand() is None
    assert (bench.sender.reopened, bench.sender.lost, bench.sender.errors) == (1, 2, 0)
    bench.say(unknown(2))
    assert (bench.errand() or {})["op"] == "stream.open"


def test_every_waits_for_its_stream_to_be_open_again():
    bench = Bench(policy="every", max_waiting=2, limit=2)
    bench.send()
    bench.say(unknown(0))
    assert not bench.sender.has_credit
    id = (bench.errand() or {})["id"]
    assert not bench.sender.has_credit
    bench.say(replies.StreamCredit(stream="front", limit=9))  # of the stream that was
    bench.say(opened(id, limit=2))
    assert bench.sender.limit == 2
    bench.send()
    bench.send()
    assert not bench.sender.has_credit


def test_an_opening_without_an_answer_is_tried_again_later():
    bench = Bench()
    bench.say(unknown(0))
    first = (bench.errand() or {})["id"]
    bench.clock.now += 4.9
    assert bench.errand() is None
    bench.clock.now += 0.2
    second = (bench.errand() or {})["id"]
    assert second != first
    bench.say(opened(first))
    assert bench.sender.reopened == 0
    bench.say(opened(second))
    assert bench.sender.reopened == 1


def test_an_opening_that_is_refused_is_tried_again_a_second_later():
    bench = Bench(policy="every", limit=8)
    bench.say(unknown(0))
    id = (bench.errand() or {})["id"]
    bench.say(replies.Error(id=id, code="unknown_model", message="None."))
    with pytest.raises(UnknownModel):
        bench.sender.check()
    assert bench.errand() is None
    assert "opened again within 3 s: None." in bench.sender.why(3)
    bench.clock.now += 1.1
    assert (bench.errand() or {})["op"] == "stream.open"


def waiting() -> Bench:
    """Return a bench whose producer has sent its two frames and waits."""
    bench = Bench(policy="every", max_waiting=2, limit=2)
    bench.send()
    bench.send()
    return bench


def test_whoever_waits_for_credit_asks_after_a_second_and_again_after_two():
    bench = waiting()
    assert bench.errand() is None
    bench.clock.now += 1.1
    assert (bench.errand() or {})["op"] == "stream.list"
    bench.clock.now += 1.9
    assert bench.errand() is None
    bench.clock.now += 0.2
    assert (bench.errand() or {})["op"] == "stream.list"


def test_credit_that_was_lost_is_found():
    bench = waiting()
    bench.clock.now += 1.1
    bench.say(listed((bench.errand() or {})["id"], received=2, under_way=1))
    assert bench.sender.limit == 3
    assert bench.sender.has_credit


def test_frames_that_were_lost_do_not_count():
    bench = waiting()
    bench.clock.now += 1.1
    bench.say(listed((bench.errand() or {})["id"], received=0))
    bench.send()
    bench.send()
    assert not bench.sender.has_credit


def test_an_answer_to_an_earlier_question_changes_nothing():
    bench = waiting()
    bench.clock.now += 1.1
    bench.errand()
    bench.say(listed("other", received=0))
    assert not bench.sender.has_credit


def test_credit_that_comes_first_makes_the_answer_useless():
    bench = waiting()
    bench.clock.now += 1.1
    id = (bench.errand() or {})["id"]
    bench.say(replies.StreamCredit(stream="front", limit=4))
    bench.send()
    bench.say(listed(id, received=2, under_way=2))
    assert bench.sender.limit == 4


def test_a_node_without_the_stream_gets_it_again():
    bench = waiting()
    bench.clock.now += 1.1
    bench.say(listed((bench.errand() or {})["id"], received=2, name="rear"))
    assert (bench.errand() or {})["op"] == "stream.open"


def test_a_frame_over_the_limit_is_an_error():
    bench = waiting()
    bench.say(replies.Error(code="busy", message="Too many.", stream="front", seq=1))
    with pytest.raises(Busy):
        bench.sender.check()


@pytest.mark.parametrize("policy", ["newest", "every"])
def test_draining_asks_at_once_and_ends_when_all_is_there(policy):
    bench = Bench(policy=policy, max_waiting=2, limit=2 if policy == "every" else None)
    bench.send()
    bench.sender.drain()
    assert not bench.sender.is_settled
    bench.say(listed((bench.errand() or {})["id"], received=1))
    assert bench.sender.is_settled


def test_draining_opens_nothing_again():
    bench = Bench()
    bench.send()
    bench.sender.drain()
    bench.say(unknown(0))
    assert bench.errand() is None
    assert bench.sender.is_settled


def test_large_frames_ask_for_slots_and_small_ones_and_files_do_not():
    bench = Bench(shared_memory=True)
    bench.send()
    assert bench.errand() is None
    assert "attachment" in bench.send(LARGE)["image"]  # nobody waits for memory
    header = bench.errand() or {}
    assert (header["op"], header["slots"], header["slot_bytes"]) == ("lease", 4, 122_880)
    assert bench.errand() is None


def test_a_node_that_gives_no_slots_is_left_alone_for_a_minute():
    bench = Bench(shared_memory=True, policy="every", max_waiting=7, limit=7)
    bench.send(LARGE)
    header = bench.errand() or {}
    assert header["slots"] == 8
    bench.say(replies.Error(id=header["id"], code="no_shared_memory", message="None."))
    assert bench.sender.errors == 0
    bench.clock.now += 59
    bench.say(replies.StreamCredit(stream="front", limit=99))
    bench.send(LARGE)
    assert bench.errand() is None
    bench.clock.now += 2
    assert (bench.errand() or {})["op"] == "lease"


def test_a_busy_node_is_asked_again_sooner():
    bench = Bench(shared_memory=True)
    bench.send(LARGE)
    bench.say(replies.Error(id=(bench.errand() or {})["id"], code="busy", message="Later."))
    bench.clock.now += 5.1
    assert (bench.errand() or {})["op"] == "lease"


def test_slots_that_cannot_be_mapped_go_back(tmp_path):
    bench = Bench(shared_memory=True)
    bench.send(LARGE)
    id = (bench.errand() or {})["id"]
    bench.say(replies.Leased(id=id, lease="9c", path=str(tmp_path / "none"), bytes=4096, generation=2))
    header = bench.errand() or {}
    assert (header["op"], header["lease"]) == ("return", "9c")
    assert bench.errand() is None
    assert "attachment" in bench.send(LARGE)["image"]


def test_slots_that_come_too_late_go_back(tmp_path):
    bench = Bench(shared_memory=True)
    bench.say(replies.Leased(id="other", lease="9c", path=str(tmp_path / "none"), bytes=4096, generation=2))
    assert (bench.errand() or {})["lease"] == "9c"
