"""Streams as they stand on the wire: a real node, its workers, and cameras on bare sockets."""

from __future__ import annotations

import base64
import time
from contextlib import closing

import cv2
import numpy as np
import pytest
import zmq

from maskbus_wire import replies, requests, rle
from maskbus_wire import shared_layout as layout
from maskbus_wire.prompts import Image, Prompt
from support.nodes import live_node
from support.peer import TINY, raw, segment
from support.shared import Mapped, slot
from support.streaming import BOX, Camera, Watcher, add_up, follow, picture, plain, seen, tally
from support.waiting import until

MODELS = {
    "slow": {"handler": "failing"},
    "pair": {"handler": "failing", "devices": ["cpu", "cpu:1"]},
    "unloadable": {"handler": "failing", "options": {"load": "The weights are those of another model."}},
}
WORK = {"options": {"work": 0.1}}
"""Has the model take a while for each frame."""
JPEG = cv2.imencode(".jpg", plain(90, 16, 24))[1].tobytes()
PNG = cv2.imencode(".png", plain(90, 16, 24))[1].tobytes()


@pytest.fixture(scope="module")
def node():
    with live_node(model=MODELS, models=["echo", *MODELS], backoff_s=0.05, preload=["echo", "slow", "pair"]) as running:
        yield running


@pytest.fixture
def make_camera(node, request):
    made = []

    def make(name=None, kind=zmq.DEALER):
        name = name or f"{request.node.originalname}-{len(made)}".replace("[", "-")
        made.append(Camera(node.context, node.tcp, name, kind))
        return made[-1]

    yield make
    for camera in made:
        if camera.info() is not None:
            camera.close()
        camera.socket.close()


@pytest.fixture
def camera(make_camera):
    return make_camera()


@pytest.fixture
def watch(node):
    made = []

    def watch(*prefixes):
        made.append(Watcher(node.context, node.topics))
        with node.peer() as peer:
            made[-1].subscribe_and_settle(peer, *prefixes)
        return made[-1]

    yield watch
    for watcher in made:
        watcher.socket.close()


def mask_of(result, i=0):
    mask = result.masks[i]
    return rle.decode(mask.rle.counts, *mask.rle.size)


# -- a stream's life ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.REQ])
def test_life_of_a_stream(make_camera, watch, kind):
    camera = make_camera("life", kind)
    opened = camera.open(model="echo", prompt=BOX)
    assert (opened.topic, opened.frames_topic, opened.model) == ("masks/life/echo", "frames/life", "echo")
    assert (opened.resumed, opened.limit) == (False, None)
    watcher = watch("masks/life")
    for seq in range(3):
        request = requests.StreamFrame(
            id=f"f{seq}", stream="life", image=raw(), seq=seq, stamp=seq * 10, frame_id="lens", ack=True
        )
        assert camera.ask_for(request, TINY) == replies.StreamFrameTaken(id=f"f{seq}", stream="life", seq=seq)
        result = watcher.next()
        assert (result.stream, result.seq, result.stamp, result.frame_id) == ("life", seq, seq * 10, "lens")
        assert (result.topic, result.model, result.width, result.height) == ("masks/life/echo", "echo", 5, 4)
        assert result.counts == replies.StreamCounts(received=seq + 1, answered=seq)
        assert mask_of(result)[1:3, 1:4].all()
        assert result.masks[0].area == 6
        assert (result.id, result.masks[0].object_id) == ("", None)
    info = camera.info()
    assert (info.policy, info.track, info.watched, info.under_way) == ("newest", False, True, 0)
    assert (info.width, info.height) == (5, 4)
    assert info.rate_in > 0
    assert 0 < info.p50_ms <= info.p99_ms
    assert camera.update(prompt=Prompt(boxes=[(0, 0, 1, 1)])).seq is None
    camera.ask_for(requests.StreamFrame(id="f", stream="life", image=raw(), seq=3, ack=True), TINY)
    assert watcher.next().masks[0].area == 1
    assert camera.close() == replies.StreamCounts(received=4, answered=4)
    assert camera.info() is None
    refused = camera.ask_for(requests.StreamFrame(id="f", stream="life", image=raw(), seq=9, ack=True), TINY)
    assert (refused.code, refused.seq, refused.stream, refused.path) == ("unknown_stream", 9, "life", "stream")


def test_a_req_socket_hears_nothing_but_its_answers(make_camera):
    """Credit and late errors are for those who can tell them from an answer."""
    camera = make_camera("asks", zmq.REQ)
    opened = camera.open(model="slow", policy="every", max_waiting=2, always=True, options={"raise": "no"})
    limit = opened.limit
    for seq in range(12):
        reply = camera.ask(requests.StreamFrame(id=f"f{seq}", stream="asks", image=raw(), seq=seq, ack=True), TINY)
        while isinstance(reply, replies.Error):
            assert (reply.code, reply.id) == ("busy", f"f{seq}")
            reply = camera.ask(requests.StreamFrame(id=f"f{seq}", stream="asks", image=raw(), seq=seq, ack=True), TINY)
        assert (type(reply), reply.id) == (replies.StreamFrameTaken, f"f{seq}")
        assert reply.limit >= limit
        limit = reply.limit
    counts = camera.settle().counts
    add_up(counts)
    assert counts.dropped["failed"] == 12


def test_frames_in_every_form(camera, watch):
    camera.open(model="echo", policy="every", prompt=BOX)
    watcher = watch(f"masks/{camera.name}/")
    forms = [
        ({"image": raw()}, TINY),
        ({"image": Image(data=TINY.tobytes(), encoding="rgb8", width=5, height=4)}, b""),
        ({"image": Image(base64=base64.b64encode(PNG).decode(), encoding="png")}, b""),
        ({"image": Image(base64="data:image/jpeg;base64," + base64.b64encode(JPEG).decode())}, b""),
        ({"image": picture(b"", "jpeg")}, JPEG),
        ({"image": picture(b"", "png")}, PNG),
        ({"image": raw(plain(0, 9, 7)[:, :, 0].copy(), encoding="mono8")}, plain(0, 9, 7)[:, :, 0].copy()),
    ]
    sizes = [(5, 4), (5, 4), (24, 16), (24, 16), (24, 16), (24, 16), (7, 9)]
    for fields, pixels in forms:
        camera.frame(pixels, **fields)
    results = [watcher.next() for _ in forms]
    assert [(result.width, result.height) for result in results] == sizes
    assert [result.seq for result in results] == list(range(7))
    assert camera.settle().counts == replies.StreamCounts(received=7, answered=7)
    assert (camera.info().width, camera.info().height) == (7, 9)


def test_taking_over_a_stream_of_the_same_name(make_camera, watch):
    first, second = make_camera("twice"), make_camera("twice")
    first.open(model="slow", policy="every", prompt=BOX, **WORK)
    watcher = watch("masks/twice/")
    for _ in range(3):
        first.frame()
    first.info()  # until then its frames may be overtaken by what another connection says
    assert second.open(model="echo", prompt=BOX).resumed
    first.limit = None
    second.frame(stamp=5)
    result = watcher.next()
    while result.stamp != 5:  # what the first one's model had done by then
        result = watcher.next()
    assert (result.topic, result.counts) == ("masks/twice/echo", replies.StreamCounts(received=1))
    first.seq = 7
    first.frame()  # whoever knows the name
    assert watcher.next().seq == 7
    assert first.close() == replies.StreamCounts(received=2, answered=2)
    assert watcher.quiet()


def test_closing_while_a_frame_is_looked_at(node, camera, watch):
    camera.open(model="slow", policy="every", options={"work": 5})
    watcher = watch(f"masks/{camera.name}/")
    for _ in range(4):
        camera.frame()
    until(lambda: node.worker("slow").state == "busy", "the model did not begin")
    counts = camera.close()
    add_up(counts)
    assert (counts.received, counts.answered, counts.dropped) == (4, 0, {"closed": 4})
    with node.peer() as peer:
        assert isinstance(peer.ask(segment("slow"), TINY), replies.Masks)
    assert watcher.quiet()
    assert f"masks/{camera.name}/slow" not in {stats.topic for stats in node.stats().topics}


def test_many_streams_at_once(node, make_camera, watch):
    """In whatever order and from whichever connection: each has its own results, in the order of its frames."""
    cameras = [make_camera(f"crowd{i}") for i in range(12)]
    for camera in cameras:
        camera.open(model="echo", policy="every", max_waiting=3, prompt=BOX)
    watcher = watch("masks/crowd")
    for _ in range(10):
        for camera in cameras:
            camera.frame()
    results = [watcher.next() for _ in range(120)]
    assert set(tally(results).values()) == {10}
    for camera in cameras:
        assert [result.seq for result in results if result.stream == camera.name] == list(range(10))
        assert camera.settle().counts == replies.StreamCounts(received=10, answered=10)
    listed = cameras[0].ask_for(requests.StreamList(id="list")).streams
    names = [one.stream for one in listed]
    assert names == sorted(names)
    assert node.stats().shm_used_bytes == 0


# -- policies ----------------------------------------------------------------------------------------------------------


def test_newest_looks_at_the_newest(camera, watch):
    camera.open(model="slow", prompt=BOX, **WORK)
    watcher = watch(f"masks/{camera.name}/")
    camera.frame()
    assert watcher.next().seq == 0
    for _ in range(20):
        camera.frame()
    assert watcher.until(20).counts.dropped["newer"] >= 10
    counts = camera.settle().counts
    add_up(counts)
    assert counts.received == 21


def test_every_looks_at_all_and_never_has_more_than_it_may(camera, watch):
    limit = camera.open(model="slow", policy="every", max_waiting=2, prompt=BOX, options={"work": 0.01}).limit
    assert limit == 2
    watcher = watch(f"masks/{camera.name}/")
    for _ in range(15):
        camera.frame()
        assert camera.info().under_way <= 2
    assert [watcher.next().seq for _ in range(15)] == list(range(15))
    assert camera.settle().counts == replies.StreamCounts(received=15, answered=15)
    camera.limit = None
    for _ in range(6):
        camera.frame()
    refused = [camera.error() for _ in range(3)]
    assert {(error.code, error.stream) for error in refused} == {("busy", camera.name)}
    counts = camera.settle().counts
    add_up(counts)
    assert counts.dropped["over_limit"] >= 3


def test_wrong_frames_do_not_use_up_the_credit(camera):
    camera.open(model="echo", policy="every", max_waiting=2, always=True)
    for number in range(8):
        image = [raw(width=6), picture(b"", "jpeg"), raw(attachment=7), Image(slot=slot("none", 0, 2))][number % 4]
        camera.frame(b"no picture", image=image)
        assert camera.error().seq == number
    counts = camera.settle().counts
    assert counts == replies.StreamCounts(received=8, dropped={"failed": 8})


def test_sample_looks_at_as_many_as_were_asked_for(camera, watch):
    camera.open(model="echo", policy="sample", max_fps=20.0, prompt=BOX)
    watcher = watch(f"masks/{camera.name}/")
    begin = time.monotonic()
    while time.monotonic() < begin + 1.0:
        camera.frame()
        time.sleep(0.004)
    took = time.monotonic() - begin
    counts = camera.settle().counts
    add_up(counts)
    assert 2 <= counts.answered <= took * 20 + 2
    assert counts.dropped["sampled"] >= counts.received - counts.answered - counts.dropped.get("newer", 0) - 1
    before = counts.answered
    assert camera.update(max_fps=0.1).stream == camera.name
    for _ in range(10):
        camera.frame()
    assert camera.info().counts.answered <= before + 1
    camera.update(max_fps=1000.0)  # what rests is looked at now
    assert watcher.until(camera.seq - 1)


def test_streams_of_one_model_take_turns_however_fast_they_send(make_camera, watch):
    """One camera sends thirty times as many frames; neither has more results than the other."""
    calm, hasty = make_camera("calm"), make_camera("hasty")
    for camera in (calm, hasty):
        camera.open(model="slow", prompt=BOX, options={"work": 0.02})
    watcher = watch("masks/calm/", "masks/hasty/")
    results = []
    while len(results) < 30:
        calm.frame()
        for _ in range(30):
            hasty.frame()
        results.append(watcher.next())
        while not watcher.quiet(0):
            results.append(watcher.next())
    counts = tally(results)
    assert abs(counts["calm"] - counts["hasty"]) <= 4, counts
    for camera in (calm, hasty):
        add_up(camera.settle().counts)


def test_interactive_requests_do_not_wait_for_the_streams(node, make_camera):
    cameras = [make_camera() for _ in range(6)]
    for camera in cameras:
        camera.open(model="slow", policy="every", always=True, options={"work": 0.05})
        for _ in range(8):
            camera.frame()
    with node.peer() as peer:
        assert isinstance(peer.ask(segment("slow"), TINY), replies.Masks)
    waiting = sum(camera.info().under_way for camera in cameras)
    assert waiting > 30  # it did not come after them


# -- age and watching --------------------------------------------------------------------------------------------------


def test_staleness_by_receipt(node, camera, watch):
    until(lambda: node.worker("slow").state == "ready", "the model has something to do")
    camera.open(model="slow", policy="every", max_age_ms=50, prompt=BOX, options={"work": 0.2})
    watcher = watch(f"masks/{camera.name}/")
    for _ in range(4):
        camera.frame(stamp=1)  # a clock from 1970: it is not asked
    assert watcher.next().seq == 0
    counts = camera.settle().counts
    assert counts == replies.StreamCounts(received=4, answered=1, dropped={"stale": 3})
    assert watcher.quiet()
    camera.update(max_age_ms=0)
    for _ in range(2):
        camera.frame()
    assert [watcher.next().seq for _ in range(2)] == [4, 5]


def test_staleness_by_stamp(camera, watch):
    camera.open(model="echo", policy="every", max_age_ms=5000, age_from="stamp", prompt=BOX)
    watcher = watch(f"masks/{camera.name}/")
    now = time.time_ns()
    for stamp in (now, now - 10 * 10**9, 0, None, now + 3600 * 10**9, -(2**63), 2**63 - 1):
        camera.frame(stamp=stamp)
    assert [watcher.next().seq for _ in range(4)] == [0, 3, 4, 6]
    assert camera.settle().counts == replies.StreamCounts(received=7, answered=4, dropped={"stale": 3})


def test_what_nobody_watches_is_not_computed(node, camera, watch):
    camera.open(model="echo", policy="every", prompt=BOX)
    for _ in range(3):
        camera.frame()
    assert camera.settle().counts.dropped == {"unwatched": 3}
    assert not camera.info().watched
    watcher = watch(f"png:masks/{camera.name}")
    camera.frame()
    result, attachments = watcher.next_with_bytes()
    encoded = np.frombuffer(attachments[result.masks[0].png.attachment], np.uint8)
    assert np.count_nonzero(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)) == 6
    watcher.socket.close()
    until(lambda: not camera.info().watched, "nobody noticed")
    camera.frame()
    assert camera.settle().counts == replies.StreamCounts(received=5, answered=1, dropped={"unwatched": 4})
    camera.update(always=True)
    camera.frame()
    assert camera.settle().counts.answered == 2
    late = watch()
    late.subscribe(f"masks/{camera.name}")
    retained = late.next()
    assert (retained.retained, retained.seq) == (True, 5)


def test_subscribers_choose_their_encoding(camera, watch):
    camera.open(model="echo", prompt=BOX, encodings=["rle"])
    prefixes = [f"{encoding}masks/{camera.name}" for encoding in ("", "png:", "bits:", "polygon:", "logits:")]
    watcher = watch(*prefixes)
    camera.frame()
    found = {}
    for _ in prefixes:
        result, attachments = watcher.next_with_bytes()
        found[tuple(result.encodings)] = (result, len(attachments))
        assert result.seq == 0
    assert {key: count for key, (_, count) in found.items()} == {
        ("rle",): 0, ("png",): 1, ("bits",): 1, ("polygon",): 0, ("logits",): 1,
    }  # fmt: skip
    camera.update(encodings=["polygon", "label" + "s"])
    plainly = watch(f"masks/{camera.name}/echo")
    while not plainly.quiet(0):
        plainly.next()
    camera.frame()
    assert plainly.next().encodings == ["polygon", "labels"]


def test_frames_can_be_watched_as_they_came(node, camera, watch):
    camera.open(model="slow", **WORK)
    watcher = watch(f"frames/{camera.name}")
    camera.frame(stamp=3, frame_id="lens")
    camera.frame(JPEG, image=picture(b"", "jpeg"))
    camera.frame(image=Image(base64=base64.b64encode(PNG).decode(), encoding="png"))
    camera.frame(image=Image(data=TINY.tobytes(), encoding="bgr8", width=5, height=4))
    camera.frame(image=Image(base64="!", encoding="png"))  # no frame at all
    expected = [(TINY.tobytes(), "rgb8"), (JPEG, "jpeg"), (PNG, "png"), (TINY.tobytes(), "bgr8")]
    for seq, (data, encoding) in enumerate(expected):
        shown, attachments = watcher.next_with_bytes()
        assert isinstance(shown, replies.PublishedFrame)
        assert (shown.stream, shown.topic, shown.seq) == (camera.name, f"frames/{camera.name}", seq)
        assert (attachments, shown.image.encoding, shown.image.attachment) == ([data], encoding, 0)
        assert (shown.stamp, shown.frame_id) == ((3, "lens") if seq == 0 else (None, None))
    assert camera.error().seq == 4
    # Nobody watches the masks: the frames are shown and not computed.
    counts = camera.settle().counts
    assert counts == replies.StreamCounts(received=5, dropped={"unwatched": 4, "failed": 1})
    assert watcher.quiet()


# -- shared memory -----------------------------------------------------------------------------------------------------


def test_frames_in_shared_memory(node, camera, watch):
    reply = camera.ask_for(requests.Lease(id="lease", slots=6, slot_bytes=4096))
    with closing(Mapped(reply.path)) as lease:

        def put(index, data=None, encoding="rgb8", width=5, height=4):
            generation = lease.write(index, data or TINY.tobytes(), encoding, width, height)
            return Image(slot=slot(reply.lease, index, generation))

        camera.open(model="slow", policy="newest", prompt=BOX, options={"work": 0.4})
        watcher = watch(f"masks/{camera.name}/", f"frames/{camera.name}")
        camera.frame(image=put(0))
        assert isinstance(watcher.next(), replies.PublishedFrame)
        camera.frame(image=put(1))
        camera.frame(image=put(2))  # and the one before makes way
        camera.info()
        assert lease.entry(1).state == layout.WRITTEN
        assert lease.entry(2).state == layout.READING
        found = [watcher.next_with_bytes() for _ in range(4)]  # two more frames, and two results
        shown = {one.seq: attachments for one, attachments in found if isinstance(one, replies.PublishedFrame)}
        assert shown == {1: [TINY.tobytes()], 2: [TINY.tobytes()]}
        assert [one.seq for one, _ in found if isinstance(one, replies.Masks)] == [0, 2]
        camera.settle()
        assert [lease.entry(index).state for index in range(3)] == [layout.WRITTEN] * 3
        camera.frame(image=put(3, JPEG, "jpeg", 24, 16))
        camera.settle()
        assert camera.info().width == 24
        assert lease.entry(3).state == layout.WRITTEN
        camera.frame(image=Image(slot=slot(reply.lease, 3, 96)))
        assert (error := camera.error()).path == "image.slot.generation", error
        camera.frame(image=put(4))
        camera.frame(image=put(5))
        add_up(camera.close())
        until(lambda: {lease.entry(i).state for i in range(6)} == {layout.WRITTEN}, "a slot was not given back")
        camera.ask_for(requests.Return(id="return", lease=reply.lease))


# -- standing prompts --------------------------------------------------------------------------------------------------


def test_a_prompt_is_changed_while_frames_run(camera, watch):
    camera.open(model="echo", policy="every", prompt=BOX)
    watcher = watch(f"masks/{camera.name}/")
    areas = []
    for width in range(1, 5):
        camera.frame()
        areas.append(watcher.next().masks[0].area)
        camera.update(prompt=Prompt(boxes=[(0, 0, width, 1)]))
    camera.frame()
    areas.append(watcher.next().masks[0].area)
    assert areas == [6, 1, 2, 3, 4]
    refused = camera.update(prompt=Prompt(text=["a mug"]))
    assert (refused.code, refused.path) == ("unsupported_prompt", "prompt.text")
    camera.update(prompt=Prompt(boxes=[(0, 0, 90, 1)]))  # beyond these frames, but that is not known yet
    camera.frame()
    error = camera.error()
    assert (error.code, error.path, error.seq) == ("invalid_value", "prompt.boxes[0]", 5)
    assert camera.info().last_error == error.message
    camera.frame(plain(0, 10, 100))
    assert watcher.next().masks[0].area == 90


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"model": "nobody"}, "unknown_model", "model"),
        ({"policy": "sample"}, "invalid_field", "max_fps"),
        ({"objects": [follow(1)]}, "invalid_value", "objects"),
        ({"track": True, "prompt": BOX}, "invalid_value", "prompt"),
        ({"stream": "a/b"}, "invalid_value", "stream"),
        ({"max_waiting": 65, "policy": "every"}, "invalid_value", "max_waiting"),
        ({"options": {"x": bytes(300_000)}}, "too_large", "options"),
        ({"track": True, "options": {"x": bytes(300_000)}}, "too_large", "options"),
    ],
)
def test_streams_that_cannot_be(camera, fields, code, path):
    refused = camera.ask_for(requests.StreamOpen(**{"id": "open", "stream": camera.name, **fields}))
    assert (refused.code, refused.path) == (code, path)
    assert camera.info() is None


# -- tracking ----------------------------------------------------------------------------------------------------------


def test_objects_are_added_corrected_and_removed(camera, watch):
    camera.open(model="echo", policy="every", track=True, objects=[follow(1, 0, 0, 2, 2), follow(2, points=[(4, 3)])])
    watcher = watch(f"masks/{camera.name}/")
    camera.frame()
    result = watcher.next()
    assert seen(result) == {1: True, 2: True}
    assert result.masks[0].area == 4
    updated = camera.update(objects=[follow(1, 0, 0, 1, 1), follow(9, points=[(1, 1)])], remove=[2])
    assert (updated.stream, updated.seq) == (camera.name, 0)
    result = watcher.next()
    assert (seen(result), result.seq, result.counts) == ({1: True, 9: True}, 0, None)
    assert result.masks[0].area == 1
    camera.frame()
    result = watcher.next()
    assert (seen(result), result.seq, result.counts.answered) == ({1: True, 9: True}, 1, 1)
    assert camera.info().object_ids == [1, 9]
    camera.update(objects=[follow(1, points=[(0, 0)], labels=[0])])
    assert seen(watcher.next()) == {1: False, 9: True}
    camera.update(remove=[1, 9])
    assert watcher.next().masks == []
    camera.frame()
    assert watcher.next().masks == []
    assert camera.settle().counts == replies.StreamCounts(received=3, answered=3)


def test_what_a_tracker_refuses_has_a_path_and_changes_nothing(camera, watch):
    camera.open(model="echo", track=True, policy="every")
    watcher = watch(f"masks/{camera.name}/")
    camera.frame()
    assert watcher.next().masks == []
    camera.update(objects=[follow(1)])
    watcher.next()
    for fields, code, path in (
        ({"objects": [follow(2), follow(3, 0, 0, 90, 1)]}, "invalid_value", "objects[1].prompt.boxes[0]"),
        ({"objects": [follow(2)], "remove": [5]}, "invalid_value", "remove[0]"),
        ({"remove": [1, 5]}, "invalid_value", "remove[1]"),
        ({"prompt": BOX}, "invalid_value", "prompt"),
        ({"objects": [follow(2, text=["mug"])]}, "unsupported_prompt", "objects[0].prompt.text"),
        ({"objects": [follow(number) for number in range(2, 80)]}, "invalid_value", "objects[63].prompt"),
        ({"encodings": ["logits"]}, "invalid_value", "encodings"),
    ):
        refused = camera.update(**fields)
        assert (refused.code, refused.path, refused.id) == (code, path, "update"), refused
    camera.frame()
    assert seen(watcher.next()) == {1: True}
    camera.frame(plain(0, 8, 8))
    error = camera.error()
    assert (error.code, error.path, error.seq) == ("invalid_value", "image", 2)
    camera.frame()
    assert seen(watcher.next()) == {1: True}
    assert camera.settle().counts == replies.StreamCounts(received=4, answered=3, dropped={"failed": 1})


def test_wrong_objects_of_the_first_frame(camera, watch):
    camera.open(model="echo", policy="every", track=True, objects=[follow(4), follow(5, 0, 0, 50, 50)])
    watcher = watch(f"masks/{camera.name}/")
    for seq in range(2):
        camera.frame()
        error = camera.error()
        assert (error.seq, error.path) == (seq, "objects[1].prompt.boxes[0]")
    assert camera.update(remove=[5]).seq is None
    camera.frame()
    assert seen(watcher.next()) == {4: True}


def test_what_is_said_while_the_first_frame_is_looked_at(node, camera, watch):
    camera.open(model="slow", track=True, objects=[follow(1), follow(2)], options={"work": 0.6, "at": 0})
    watcher = watch(f"masks/{camera.name}/")
    camera.frame()
    until(lambda: node.worker("slow").state == "busy", "the model did not begin")
    camera.update(objects=[follow(1, 0, 0, 1, 1), follow(3)], remove=[2])
    assert seen(watcher.next()) == {1: True, 2: True}
    camera.frame()
    result = watcher.next()
    assert (seen(result), result.masks[0].area) == ({1: True, 3: True}, 1)


def test_a_person_is_told_the_frame_that_was_prompted(node, camera, watch):
    """The frame that the model looks at while the change comes is the one that it is made in."""
    camera.open(model="slow", track=True, options={"work": 0.4})
    watcher = watch(f"masks/{camera.name}/")
    camera.frame()
    assert watcher.next().seq == 0
    camera.frame()
    until(lambda: node.worker("slow").state == "busy", "the model did not begin")
    assert camera.update(objects=[follow(1)]).seq == 1
    results = [watcher.next(), watcher.next()]
    assert [(result.seq, seen(result)) for result in results] == [(1, {}), (1, {1: True})]


def test_many_objects_in_many_encodings(camera, watch):
    camera.open(model="echo", track=True, encodings=["bits", "logits"], objects=[follow(i) for i in range(64)])
    watcher = watch(f"masks/{camera.name}/", f"rle:masks/{camera.name}/")
    camera.frame()
    for _ in range(2):
        result, attachments = watcher.next_with_bytes()
        assert list(seen(result)) == list(range(64))
        assert len(attachments) == (0 if result.encodings == ["rle"] else 128)


def test_a_model_that_does_not_track(camera, node):
    with live_node(models=["grabcut", "echo"], preload=[]) as other, Camera(other.context, other.tcp) as there:
        described = there.ask(requests.Describe())
        tracks = {model.name: model.tracks for model in described.models}
        for model, can in tracks.items():
            reply = there.ask_for(requests.StreamOpen(id="open", stream="front", model=model, track=True))
            assert isinstance(reply, replies.StreamOpened) == can, reply


# -- ends --------------------------------------------------------------------------------------------------------------


def test_idle_streams_are_closed(node, make_camera, watch):
    quiet, steady = make_camera("quiet"), make_camera("steady")
    for camera in (quiet, steady):
        camera.open(model="echo", idle_ms=700, prompt=BOX)
    watcher = watch("masks/quiet")
    quiet.frame()
    watcher.next()

    def gone():
        steady.frame()
        return quiet.info() is None

    until(gone, "the stream was not closed")
    assert steady.info() is not None
    quiet.frame()
    assert quiet.error().code == "unknown_stream"
    assert "masks/quiet/echo" not in {stats.topic for stats in node.stats().topics}


def test_a_model_that_cannot_be_loaded(camera, watch):
    camera.open(model="unloadable", prompt=BOX, policy="every", always=True)
    for seq in range(5):
        camera.frame()
        error = camera.error()
        assert (error.code, error.seq) == ("model_unavailable", seq)
        assert "another model" in error.message
    assert camera.settle().counts == replies.StreamCounts(received=5, dropped={"failed": 5})


def test_cancelling_by_id_does_not_touch_frames(camera, watch):
    camera.open(model="slow", prompt=BOX, **WORK)
    watcher = watch(f"masks/{camera.name}/")
    camera.frame(id="mine")
    assert camera.ask_for(requests.Cancel(id="cancel", target="mine")).cancelled == 0
    assert watcher.next().seq == 0


def test_two_workers_share_the_streams_and_each_keeps_what_it_follows(node, make_camera, watch):
    cameras = [make_camera(f"pair{i}") for i in range(4)]
    for i, camera in enumerate(cameras):
        camera.open(model="pair", policy="every", track=i % 2 == 0, options={"work": 0.01})
    watcher = watch("masks/pair")
    for camera in cameras:
        camera.frame()
    results = [watcher.next() for _ in cameras]
    for camera in cameras[::2]:
        assert camera.update(objects=[follow(1), follow(2)]).seq == 0
    for _ in range(10):
        for camera in cameras:
            camera.frame()
    results = [watcher.next() for _ in range(2 + 40)]
    for i, camera in enumerate(cameras):
        mine = [result for result in results if result.stream == camera.name]
        assert [result.seq for result in mine if result.counts] == list(range(1, 11))
        if i % 2 == 0:
            assert all(seen(result) == {1: True, 2: True} for result in mine)
        assert camera.settle().counts == replies.StreamCounts(received=11, answered=11)
    assert len({worker.pid for worker in node.stats().workers if worker.model == "pair"}) == 2


def test_a_stop_of_the_node_answers_who_waits_and_leaves_nothing():
    with (
        live_node(model=MODELS, models=["echo", "slow"], preload=["slow"]) as node,
        Camera(node.context, node.tcp) as camera,
        Camera(node.context, node.tcp, "other") as other,
    ):
        camera.open(model="slow", track=True, always=True, options={"work": 0.5})
        camera.frame()
        camera.settle()
        camera.frame()
        until(lambda: node.worker("slow").state == "busy", "the model did not begin")
        camera.send(requests.StreamUpdate(id="update", stream="front", objects=[follow(1)]))
        other.open(model="slow", policy="every", always=True)
        for _ in range(3):
            other.frame()
        other.info()
        node.bus.stop()
        error = camera.error()
        assert (error.code, error.id) == ("shutting_down", "update")
