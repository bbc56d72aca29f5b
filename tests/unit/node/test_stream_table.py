"""Streams in a broker whose workers are played by the test."""

from __future__ import annotations

import gc
import time

import pytest

from maskbus.engine.arena import PAGE
from maskbus_wire import frames, header, replies, requests
from maskbus_wire import shared_layout as layout
from maskbus_wire.prompts import Image, MaskPrompt, Prompt
from support.peer import TINY, raw, segment
from support.rig import card
from support.shared import Mapped, slot

SLOT = 16 * PAGE
TOPIC = "masks/front/echo"
DOT = Prompt(points=[(1, 1)])


@pytest.fixture
def rig(make):
    return make(card("echo", tracks=True, has_logits=True), card("plain"), stream_bytes=1000, streams=3)


def opened(rig, stream="front", *, ready=True, **fields):
    reply = rig.ask(requests.StreamOpen(id="open", stream=stream, always=True, **fields))
    assert isinstance(reply, replies.StreamOpened), reply
    if ready:
        rig.ready()
    return reply


def frame(rig, seq=0, stream="front", *, image=None, route=b"camera", attachments=(TINY,), **fields):
    request = requests.StreamFrame(stream=stream, seq=seq, image=image or raw(), **fields)
    return rig.ask(request, *attachments, route=route)


def update(rig, route=b"person", **fields):
    return rig.ask(requests.StreamUpdate(id="update", stream="front", **fields), route=route)


def close(rig, stream="front"):
    reply = rig.ask(requests.StreamClose(stream=stream))
    assert isinstance(reply, replies.StreamClosed), reply
    return reply.counts


def info(rig, stream="front"):
    return next(one for one in rig.ask(requests.StreamList()).streams if one.stream == stream)


def follow(number, **prompt):
    return requests.TrackedObject(object_id=number, prompt=Prompt(**(prompt or {"points": [(1, 1)]})))


def error(reply, code, path=None):
    assert isinstance(reply, replies.Error), reply
    assert reply.code == code, reply
    assert path is None or reply.path == path, reply
    return reply


def job(rig, worker=None):
    (made,) = rig.jobs(worker)
    return made


def finish(rig, made, objects=(), worker=None, **fields):
    rig.finish(made, worker, {"objects": list(objects)}, **fields)


def tracking(rig, *numbers, **fields):
    """Open a stream that follows some objects, and have its first frame looked at."""
    opened(rig, track=True, objects=[follow(number) for number in numbers], **fields)
    frame(rig)
    finish(rig, job(rig), numbers)
    rig.replies()


# -- opening -----------------------------------------------------------------------------------------------------------

REFUSED = {
    "no such model": ({"model": "nobody"}, "unknown_model", "model"),
    "a model that does not track": ({"model": "plain", "track": True}, "unsupported_prompt", "track"),
    "a prompt that it does not take": ({"prompt": Prompt(text=["mug"])}, "unsupported_prompt", "prompt.text"),
    "an encoding that it does not have": (
        {"model": "plain", "encodings": ["rle", "logits"]},
        "unknown_encoding",
        "encodings[1]",
    ),
    "large options": ({"options": {"x": bytes(300_000)}}, "too_large", "options"),
    "large options of a tracker": ({"track": True, "options": {"x": bytes(300_000)}}, "too_large", "options"),
    "a mask that is none": (
        {"track": True, "objects": [follow(1, mask=MaskPrompt(encoding="raw", base64="!"))]},
        "invalid_field",
        "objects[0].prompt.mask.base64",
    ),
    "masks beyond all measure": (
        {"track": True, "objects": [follow(1, mask=MaskPrompt(encoding="raw", data=bytes(2000)))]},
        "busy",
        "objects",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_is_refused_and_the_one_that_was_there_goes_on(rig, what):
    fields, code, path = REFUSED[what]
    opened(rig)
    frame(rig)
    error(rig.ask(requests.StreamOpen(stream="front", **fields)), code, path)
    assert info(rig).counts.received == 1
    error(rig.ask(requests.StreamOpen(stream="other", **fields)), code, path)
    assert len(rig.ask(requests.StreamList()).streams) == 1


def test_no_more_streams_than_the_configuration_says(rig):
    for name in "abc":
        opened(rig, name)
    error(rig.ask(requests.StreamOpen(stream="d")), "busy")
    assert opened(rig, "c").resumed
    close(rig, "a")
    opened(rig, "d")


def test_opening_anew_drops_what_waits_and_begins_to_count_anew(rig):
    assert not opened(rig).resumed
    frame(rig, 1)
    frame(rig, 2)
    first = job(rig)
    assert opened(rig).resumed
    assert info(rig).counts == replies.StreamCounts()
    rig.finish(first, control={"objects": []})
    assert (info(rig).counts.answered, rig.published) == (0, [])
    frame(rig, 3)
    assert job(rig)["meta"]["seq"] == 3


def test_one_that_was_refused_holds_no_object(rig):
    opened(rig, track=True, objects=[follow(1, mask=MaskPrompt(encoding="raw", data=bytes(900)))])
    error(update(rig, objects=[follow(2, mask=MaskPrompt(encoding="raw", data=bytes(101)))]), "busy", "objects")
    close(rig)
    opened(rig, track=True, objects=[follow(2, mask=MaskPrompt(encoding="raw", data=bytes(1000)))])


# -- frames ------------------------------------------------------------------------------------------------------------


def test_a_frame_is_looked_at_published_and_counted(rig):
    assert opened(rig, prompt=DOT).topic == TOPIC
    assert frame(rig, 7, stamp=9, frame_id="lens") is None
    made = job(rig)
    assert made["meta"] == {"id": "", "stamp": 9, "frame_id": "lens", "stream": "front", "seq": 7}
    assert (made["once"], made["counts"]) == (True, {"received": 1, "answered": 0, "dropped": {}})
    finish(rig, made)
    assert [topic for topic, _, _ in rig.published] == [TOPIC]
    assert rig.sent[1:] == []
    there = info(rig)
    assert (there.counts, there.under_way) == (replies.StreamCounts(received=1, answered=1), 0)
    assert (there.width, there.height) == (5, 4)
    assert rig.arena.used == 0


def test_unknown_streams(rig):
    for asked in (
        requests.StreamUpdate(stream="x"),
        requests.StreamClose(stream="x"),
        requests.StreamFrame(stream="x", seq=3, image=raw()),
    ):
        attachments = [TINY] if isinstance(asked, requests.StreamFrame) else []
        error(rig.ask(asked, *attachments), "unknown_stream", "stream")
    assert rig.replies()[-1].seq == 3


WRONG = {
    "at the first look": (raw(width=6, step=3), (TINY,), "image.step"),
    "without its attachment": (raw(attachment=2), (TINY,), "image.attachment"),
    "in a slot of no lease": (Image(slot=slot("none", 0, 2)), (), "image.slot.lease"),
    "of another size": (raw(width=6), (TINY,), "image"),
    "garbage": (Image(encoding="jpeg", attachment=0), (b"garbage",), "image"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_frame_is_answered_counted_and_costs_no_credit(rig, what):
    image, attachments, path = WRONG[what]
    limit = opened(rig, policy="every", max_waiting=2).limit
    for seq in range(5):
        assert seq < limit, "the producer would wait for ever"
        frame(rig, seq, image=image, attachments=attachments)
        answers = rig.replies()
        (refused,) = [reply for reply in answers if isinstance(reply, replies.Error)]
        assert (refused.seq, refused.stream, refused.path) == (seq, "front", path)
        limit = max([limit, *(reply.limit for reply in answers if isinstance(reply, replies.StreamCredit))])
    there = info(rig)
    assert there.counts == replies.StreamCounts(received=5, dropped={"failed": 5})
    assert there.last_error
    assert rig.broker._streams._waiting_bytes == 0


def test_a_wrong_frame_of_no_stream_is_nobody_s(rig):
    for name in ("nobody", 3, None):
        plain = {"maskbus": "1.3", "op": "stream.frame", "stream": name, "image": 5}
        rig.broker.receive(b"a", [header.pack(plain)])
        error(rig.replies()[-1], "invalid_field")


def test_waiting_frames_take_no_more_memory_than_they_may(rig):
    opened(rig, policy="every", max_waiting=64, ready=False)
    opened(rig, "other", policy="newest", ready=False)
    for seq in range(20):
        frame(rig, seq)
    assert info(rig).counts.dropped == {"memory": 4}
    frame(rig, 0, "other")
    assert info(rig, "other").counts.dropped == {"memory": 1}
    assert close(rig).dropped == {"memory": 4, "closed": 16}
    frame(rig, 1, "other")
    frame(rig, 2, "other")  # takes the place of the one before
    assert info(rig, "other").counts.dropped == {"memory": 1, "newer": 1}
    close(rig, "other")
    assert rig.broker._streams._waiting_bytes == 0


@pytest.mark.parametrize(
    "image",
    [
        Image(data=bytes(600), encoding="mono8", width=30, height=20),
        Image(base64="A" * 800, encoding="mono8", width=30, height=20),
    ],
)
def test_bytes_in_the_header_count_as_well(rig, image):
    opened(rig, policy="every", ready=False)
    frame(rig, image=image, attachments=())
    frame(rig, image=image, attachments=())
    assert info(rig).counts.dropped == {"memory": 1}


def test_a_frame_is_not_kept_in_memory_while_it_is_looked_at(rig):
    """Its pixels are in shared memory then; its job may be remembered for long by whoever watches the deadlines."""
    opened(rig)
    payload = memoryview(bytearray(TINY.tobytes()))
    head, _ = frames.encode(requests.StreamFrame(stream="front", image=raw()), [payload])
    rig.broker.receive(b"camera", [bytes(head), payload])
    job(rig)
    assert [one for one in gc.get_referrers(payload) if isinstance(one, (list, tuple))] == []


def test_a_waiting_job_sees_its_stream_close(rig):
    opened(rig)
    rig.ask(segment(id="running"), TINY)
    running = job(rig)
    frame(rig)
    assert rig.jobs() == []
    assert close(rig).dropped == {"closed": 1}
    rig.finish(running)
    assert rig.jobs() == []
    assert rig.arena.used == 0


def test_closing_while_a_frame_is_looked_at(rig):
    opened(rig)
    frame(rig)
    made = job(rig)
    counts = close(rig)
    assert (counts.received, counts.answered, counts.dropped) == (1, 0, {"closed": 1})
    finish(rig, made)
    assert rig.published == []
    assert rig.publisher.stats() == []
    assert rig.arena.used == 0


def test_a_failed_frame_is_told_and_the_next_one_has_its_turn(rig):
    opened(rig)
    frame(rig, 0)
    frame(rig, 1)
    rig.fail(job(rig))
    (refused,) = [reply for route, reply, _ in rig.sent if route == b"camera"]
    assert (error(refused, "internal").seq, refused.stream) == (0, "front")
    assert job(rig)["meta"]["seq"] == 1


def test_results_do_not_come_after_the_deadline(rig):
    opened(rig, deadline_ms=1)
    frame(rig, 0)
    made = job(rig)
    frame(rig, 1)
    rig.broker.tick(time.monotonic() + 0.5)
    assert error(rig.replies()[-1], "deadline_exceeded").seq == 0
    finish(rig, made)
    assert rig.published == []
    assert job(rig)["meta"]["seq"] == 1
    assert info(rig).counts == replies.StreamCounts(received=2, dropped={"failed": 1})


def test_another_worker_goes_on_where_one_hangs(make):
    rig = make(card("echo", devices=("cpu", "cpu:1")))
    opened(rig, deadline_ms=1)
    first, second = rig.launcher.started
    frame(rig, 0)
    frame(rig, 1)
    hangs, free = (first, second) if (made := rig.jobs(first)) else (second, first)
    made = made or rig.jobs(second)
    assert len(made) == 1
    rig.broker.tick(made[0]["deadline"] + 0.001)
    assert job(rig, free)["meta"]["seq"] == 1
    assert rig.jobs(hangs) == []


def test_only_what_is_watched_is_looked_at(rig):
    rig.ask(requests.StreamOpen(stream="front"))
    rig.ready()
    frame(rig, 0)
    assert info(rig).counts.dropped == {"unwatched": 1}
    for prefix in (b"\x01masks/fr", b"\x01png:masks/", b"\x01"):
        rig.publisher.subscription(prefix)
        frame(rig, 1)
        made = job(rig)
        finish(rig, made)
        rig.publisher.subscription(b"\x00" + prefix[1:])
        assert not info(rig).watched
    rig.publisher.subscription(b"\x01frames/front")
    frame(rig, 2)
    assert rig.jobs() == []
    assert rig.published[-1][0] == "frames/front"


def test_streams_and_single_requests_take_turns(rig):
    """Requests in the lane of streams come in the order of their coming with the streams; batch comes last."""
    opened(rig)
    rig.ask(segment(id="running"), TINY)
    running = job(rig)
    rig.ask(segment(id="batch", lane="batch"), TINY)
    frame(rig, 0)
    rig.ask(segment(id="lane", lane="stream"), TINY)
    rig.ask(segment(id="now"), TINY)
    order = []
    for _ in range(5):
        rig.finish(running, control={"objects": []})
        made = rig.jobs()
        if not made:
            break
        running = made[0]
        order.append(running["meta"]["id"] or running["meta"]["seq"])
    assert order == ["now", 0, "lane", "batch"]


def test_a_full_queue_stops_no_camera_and_cameras_fill_no_queue(make):
    rig = make(card("echo"), queue_length=2)
    for name in "abcdef":
        opened(rig, name)
        rig.ready(batch=4)
    frame(rig, 0, "a")
    for name in "bcdef":
        frame(rig, 0, name)
    rig.ask(segment(id="1"), TINY)
    rig.ask(segment(id="2"), TINY)
    error(rig.ask(segment(id="3"), TINY), "busy")
    looked = 0
    while made := rig.jobs():
        looked += made[0]["meta"]["stream"] is not None
        rig.finish(made[0], control={"objects": []})
    assert looked == 6


def test_streams_of_one_model_are_embedded_together_and_each_frame_only_once(make):
    rig = make(card("echo"))
    for name in "abcd":
        opened(rig, name, ready=False)
        frame(rig, 0, name)
    rig.ready(batch=3)
    first = job(rig)
    assert [other["image"]["slot"] for other in first["ahead"]] != [first["image"]["slot"]]
    assert len(first["ahead"]) == 2
    close(rig, "b")  # it is still in the batch, but nobody will ask for it
    rig.finish(first, control={"ahead": [other["job"] for other in first["ahead"]], "objects": []})
    streams = [first["meta"]["stream"]]
    while made := rig.jobs():
        streams.append(made[0]["meta"]["stream"])
        rig.finish(made[0], control={"objects": []})
    assert sorted(streams) == ["a", "c", "d"]
    assert rig.arena.used == 0
    assert rig.waiting() == 0


# -- credit ------------------------------------------------------------------------------------------------------------


def test_credit_comes_when_frames_are_done_with(rig):
    assert opened(rig, policy="every", max_waiting=2).limit == 2
    rig.replies()
    frame(rig, 0)
    frame(rig, 1)
    assert rig.replies() == []
    error(frame(rig, 2), "busy")
    made = job(rig)
    rig.replies()
    finish(rig, made)
    (credit,) = rig.replies()
    assert (credit.stream, credit.limit) == ("front", 4)
    assert close(rig).dropped == {"over_limit": 1, "closed": 1}


def test_credit_goes_to_whoever_sent_the_last_frame(rig):
    opened(rig, policy="every")
    frame(rig, 0, route=b"one")
    frame(rig, 1, route=b"two")
    rig.sent.clear()
    finish(rig, job(rig))
    assert [(route, type(reply)) for route, reply, _ in rig.sent] == [(b"two", replies.StreamCredit)]


def test_a_frame_that_asks_for_it_is_answered_with_the_limit(rig):
    opened(rig, policy="every", max_waiting=2)
    taken = frame(rig, 5, id="f", ack=True)
    assert taken == replies.StreamFrameTaken(id="f", stream="front", seq=5, limit=2)
    opened(rig, "newest")
    assert frame(rig, 5, "newest", id="f", ack=True).limit is None


def test_who_cannot_listen_is_told_nothing_that_it_has_not_asked_for(rig):
    """A REQ socket would take it for the answer to its next request."""
    opened(rig, policy="every", max_waiting=2)
    rig.replies()

    def send(seq):
        request = requests.StreamFrame(stream="front", seq=seq, image=raw(), ack=True)
        message = [bytes(part) for part in frames.encode(request, [TINY])]
        rig.broker.receive(b"req", message, listens=lambda: False)
        (answer,) = rig.replies()
        return answer

    assert send(0).limit == 2
    made = job(rig)
    finish(rig, made)
    assert rig.replies() == []
    assert send(1).limit == 3
    rig.fail(job(rig))
    assert rig.replies() == []
    assert info(rig).last_error == "Sorry."
    rig.replies()
    send(2)
    send(3)
    error(send(4), "busy")


# -- tracking ----------------------------------------------------------------------------------------------------------


def test_objects_are_prompted_in_the_first_frame_and_only_there(rig):
    opened(rig, track=True, objects=[follow(1), follow(2)])
    frame(rig, 0)
    made = job(rig)
    assert (made["op"], made["begin"], [one["object_id"] for one in made["objects"]]) == ("track", True, [1, 2])
    finish(rig, made, [1, 2])
    frame(rig, 1)
    again = job(rig)
    assert (again["begin"], again["objects"], again["session"]) == (False, [], made["session"])
    assert info(rig).object_ids == [1, 2]


def test_an_update_is_done_by_the_worker_in_the_frame_that_it_has(rig):
    tracking(rig, 1)
    frame(rig, 1, stamp=11)
    running = job(rig)
    assert update(rig, objects=[follow(2)], remove=[1]) is None
    finish(rig, running, [1])
    made = job(rig)
    assert (made["image"], [one["object_id"] for one in made["objects"]], made["remove"]) == (None, [2], [1])
    # Meanwhile another frame has been looked at: that is the one the worker prompts in.
    assert (made["meta"]["seq"], made["meta"]["stamp"], made["size"]) == (1, 11, [5, 4])
    rig.published.clear()
    finish(rig, made, [2])
    answer = rig.replies()[-1]
    assert answer == replies.StreamUpdated(id="update", stream="front", seq=1)
    assert [topic for topic, _, _ in rig.published] == [TOPIC]
    assert info(rig).object_ids == [2]
    assert info(rig).counts == replies.StreamCounts(received=2, answered=2)


def test_an_update_before_the_first_result_is_for_the_next_frame(rig):
    opened(rig, track=True, objects=[follow(1), follow(2)])
    frame(rig, 0)
    first = job(rig)
    assert update(rig, objects=[follow(1, points=[(3, 3)])], remove=[2]).seq is None
    finish(rig, first, [1, 2])
    frame(rig, 1)
    second = job(rig)
    assert [one["prompt"]["points"] for one in second["objects"]] == [[[3, 3]]]
    assert (second["remove"], second["begin"]) == ([2], False)
    finish(rig, second, [1])
    frame(rig, 2)
    third = job(rig)
    assert (third["objects"], third["remove"]) == ([], [])


def test_a_first_frame_that_fails_is_tried_again_with_the_next(rig):
    opened(rig, track=True, objects=[follow(1)])
    for seq in range(2):
        frame(rig, seq)
        made = job(rig)
        assert (made["begin"], len(made["objects"])) == (True, 1)
        rig.fail(made)
    frame(rig, 2)
    assert job(rig)["begin"]


def test_an_error_changes_nothing(rig):
    tracking(rig, 1)
    update(rig, objects=[follow(2)], max_age_ms=50, encodings=["png"])
    rig.fail(job(rig), code="invalid_value")
    assert error(rig.replies()[-1], "invalid_value").id == "update"
    frame(rig, 1)
    finish(rig, job(rig), [1])
    assert rig.broker._streams.find("front").rules.max_age is None
    assert rig.published[-1][1]["encodings"] == ["rle"]
    update(rig, objects=[follow(2)], max_age_ms=50, encodings=["png"])
    made = job(rig)
    assert made["outputs"][0]["encodings"] == ["png"]
    finish(rig, made, [1, 2])
    assert rig.broker._streams.find("front").rules.max_age == 0.05


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"prompt": DOT}, "prompt"),
        ({"max_fps": 3.0}, "max_fps"),
        ({"objects": [follow(2, points=[(90, 1)])]}, "objects[0].prompt.points[0]"),
        ({"encodings": ["logits"]}, "encodings"),
        ({"options": {"x": bytes(300_000)}}, "options"),
    ],
)
def test_updates_that_cannot_be(rig, fields, path):
    tracking(rig, 1)
    before = rig.broker._streams.find("front").settings
    assert update(rig, **fields).path == path
    assert rig.broker._streams.find("front").settings is before
    assert rig.arena.used == 0


def test_only_a_stream_that_tracks_has_objects(rig):
    opened(rig)
    error(update(rig, objects=[follow(1)]), "invalid_value", "objects")
    error(update(rig, remove=[1]), "invalid_value", "remove")


def test_closing_answers_who_was_changing_it(rig):
    tracking(rig, 1)
    update(rig, objects=[follow(2)])
    running = job(rig)
    update(rig, objects=[follow(3)], route=b"another")
    close(rig)
    told = {route: reply for route, reply, _ in rig.sent if isinstance(reply, replies.Error)}
    assert {route: error(reply, "cancelled").id for route, reply in told.items()} == {
        b"person": "update",
        b"another": "update",
    }
    rig.published.clear()
    finish(rig, running, [1, 2])
    assert rig.published == []
    assert rig.publisher.stats() == []
    assert rig.jobs() == []


def test_a_worker_forgets_what_it_follows_when_the_stream_ends(rig):
    tracking(rig, 1)
    session = rig.broker._streams.find("front").session
    opened(rig, "never", track=True)
    close(rig)
    close(rig, "never")
    rig.broker.tick(time.monotonic())
    assert [one for one in rig.launcher.worker.told() if one["type"] != "job"] == [
        {"type": "end_trackers", "sessions": [session]}
    ]


def test_lost_objects_are_told_until_they_are_given_again(rig):
    tracking(rig, 1)
    frame(rig, 1)
    rig.fail(job(rig), code="worker_died")
    for seq in (2, 3):
        frame(rig, seq)
        made = job(rig)
        assert "lost" in made["notes"][0]
        finish(rig, made, [])
    update(rig, objects=[follow(1)])
    made = job(rig)
    finish(rig, made, [1])
    frame(rig, 4)
    assert job(rig)["notes"] == []


def test_tracking_stays_with_its_worker(make):
    rig = make(card("echo", tracks=True, devices=("cpu", "cpu:1")))
    opened(rig, track=True, objects=[follow(1)])
    opened(rig, "other")
    first, second = rig.launcher.started
    frame(rig, 0)
    made = rig.jobs(first)
    mine, spare = (first, second) if made else (second, first)
    finish(rig, made[0] if made else job(rig, second), [1], mine)
    for seq in range(1, 5):  # whoever else is free
        frame(rig, 0, "other")
        frame(rig, seq)
        for worker in (spare, mine, spare, mine):
            for one in rig.jobs(worker):
                assert one["op"] != "track" or worker is mine
                finish(rig, one, [1] if one["op"] == "track" else [], worker)
    assert info(rig).counts.answered == 5


def test_what_a_worker_followed_is_lost_with_it_and_another_begins_anew(make):
    rig = make(card("echo", tracks=True, devices=("cpu", "cpu:1")))
    opened(rig, track=True, objects=[follow(1)])
    first, second = rig.launcher.started
    frame(rig, 0)
    made = rig.jobs(first)
    mine, spare = (first, second) if made else (second, first)
    finish(rig, made[0] if made else job(rig, second), [1], mine)
    assert info(rig).object_ids == [1]
    mine.die()  # while it had nothing to do
    rig.read()
    assert info(rig).object_ids == []
    rig.replies()
    frame(rig, 1)
    again = job(rig, spare)
    assert (again["begin"], again["objects"], "lost" in again["notes"][0]) == (True, [], True)
    finish(rig, again, [], spare)
    assert info(rig).counts == replies.StreamCounts(received=2, answered=2)


# -- standing prompts --------------------------------------------------------------------------------------------------


def test_a_prompt_is_changed_from_the_next_frame_on(rig):
    opened(rig, prompt=DOT)
    frame(rig, 0)
    running = job(rig)
    frame(rig, 1)
    assert update(rig, prompt=Prompt(boxes=[(0, 0, 2, 2)])).seq is None
    finish(rig, running)
    assert job(rig)["prompt"]["boxes"] == [[0, 0, 2, 2]]
    error(update(rig, prompt=Prompt(text=["mug"])), "unsupported_prompt", "prompt.text")


def test_changing_a_prompt_costs_a_stream_no_turn(rig):
    """A person who drags a point sends a change with every frame of the screen."""
    rig.ask(segment(id="running"), TINY)
    for name in ("front", "b", "c"):
        opened(rig, name)
    running = job(rig)
    for name in ("front", "b", "c"):
        frame(rig, 0, name)
    update(rig, prompt=DOT)
    rig.finish(running)
    assert job(rig)["meta"]["stream"] == "front"


def test_a_rate_that_is_changed_counts_at_once(rig):
    opened(rig, policy="sample", max_fps=0.001)
    frame(rig, 0)
    finish(rig, job(rig))
    frame(rig, 1)
    rig.broker.tick(time.monotonic())
    assert rig.jobs() == []
    update(rig, max_fps=1000.0)
    if rig.broker._streams._turns["echo"].next_event() is not None:
        rig.broker.tick(time.monotonic() + 0.001)
    assert job(rig)["meta"]["seq"] == 1


# -- the end -----------------------------------------------------------------------------------------------------------


def test_idle_streams_are_closed_but_not_while_a_frame_is_under_way(make):
    rig = make(card("echo"), stream_idle_s=10.0, heartbeat_timeout_s=1e6)
    opened(rig)
    opened(rig, "quick", idle_ms=500)
    opened(rig, "slow", idle_ms=3_000_000)
    now = time.monotonic()
    frame(rig, 0)
    made = job(rig)
    rig.broker.tick(now + 5)
    assert {one.stream for one in rig.ask(requests.StreamList()).streams} == {"front", "slow"}
    rig.broker.tick(now + 20)
    assert {one.stream for one in rig.ask(requests.StreamList()).streams} == {"front"}
    rig.finish(made, control={"objects": []})
    rig.broker.tick(now + 40)
    assert rig.ask(requests.StreamList()).streams == []
    assert rig.publisher.stats() == []
    rig.broker.tick(now + 60)
    assert rig.broker._streams.next_event() is None


def test_a_model_that_cannot_be_loaded(rig):
    opened(rig, ready=False)
    frame(rig, 0)
    rig.launcher.worker.tell(type="failed", code="model_unavailable", message="Nothing is there.")
    rig.read()
    assert error(rig.replies()[-1], "model_unavailable").seq == 0
    frame(rig, 1)  # at once, and not when loading has failed for the next time
    assert error(rig.replies()[-1], "model_unavailable").seq == 1
    assert info(rig).counts == replies.StreamCounts(received=2, dropped={"failed": 2})
    assert rig.broker._streams._waiting_bytes == 0


def test_a_stop_ends_streams_and_answers_who_waits(rig):
    tracking(rig, 1)
    frame(rig, 1)
    running = job(rig)
    update(rig, objects=[follow(2)])
    rig.replies()
    rig.broker.begin_stop()
    assert error(rig.replies()[-1], "shutting_down").id == "update"
    assert rig.broker.is_idle
    error(frame(rig, 2), "shutting_down")
    error(update(rig), "unknown_stream")
    error(rig.ask(requests.StreamOpen(stream="x")), "shutting_down")
    rig.published.clear()
    finish(rig, running, [1])
    assert rig.published == []
    assert rig.arena.used == 0


def test_cancelling_by_id_does_not_touch_frames(rig):
    opened(rig)
    frame(rig, 0, id="x")
    made = job(rig)
    assert rig.ask(requests.Cancel(id="c", target="x")).cancelled == 0
    finish(rig, made)
    assert info(rig).counts.answered == 1


# -- shared memory -----------------------------------------------------------------------------------------------------


def test_a_slot_is_being_read_as_long_as_its_frame_waits(rig):
    leased = rig.ask(requests.Lease(slots=4, slot_bytes=60), route=b"camera")
    lease = Mapped(leased.path)
    try:
        states = lambda: [lease.entry(i).state for i in range(4)]  # noqa: E731
        for index in range(4):
            lease.write(index, TINY.tobytes(), "rgb8", 5, 4)
        opened(rig)
        rig.publisher.subscription(b"\x01frames/")
        for index in range(3):
            frame(rig, index, image=Image(slot=slot(leased.lease, index, 2)), attachments=())
        assert states() == [layout.READING, layout.WRITTEN, layout.READING, layout.WRITTEN]
        assert [attachments for *_, attachments in rig.published] == [[TINY.tobytes()]] * 3
        made = job(rig)
        lease.set_entry(2, generation=4)  # the camera does not keep to the rules
        finish(rig, made)
        assert states() == [layout.WRITTEN] * 4
        assert error(rig.replies()[-1], "invalid_value", "image.slot.generation").seq == 2
        frame(rig, 3, image=Image(slot=slot(leased.lease, 3, 2)), attachments=())
        frame(rig, 4, image=Image(slot=slot(leased.lease, 3, 2)), attachments=())
        assert states()[3] == layout.READING
        counts = close(rig)
        assert counts.dropped == {"newer": 1, "failed": 1, "closed": 2}
        assert states()[3] == layout.READING  # the worker is still at it
        finish(rig, job(rig))
        assert states() == [layout.WRITTEN] * 4
    finally:
        lease.close()


def test_a_lease_that_ends_while_a_frame_waits(rig):
    leased = rig.ask(requests.Lease(slots=2, slot_bytes=60), route=b"camera")
    lease = Mapped(leased.path)
    try:
        for index in range(2):
            lease.write(index, TINY.tobytes(), "rgb8", 5, 4)
        opened(rig, ready=False)
        for index in range(2):
            frame(rig, index, image=Image(slot=slot(leased.lease, index, 2)), attachments=())
        rig.ask(requests.Return(lease=leased.lease))
        rig.replies()
        rig.ready()
        assert error(rig.replies()[-1], "unknown_lease", "image.slot.lease").seq == 1
        assert len(rig.leases) == 0
    finally:
        lease.close()
