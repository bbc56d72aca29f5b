"""What goes wrong with streams, and must not harm anybody else, nor be lost without a word."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal

import msgpack
import psutil
import pytest
import zmq

from maskbus.handlers.echo import EchoHandler
from maskbus.handlers.echo_tracker import EchoTracker
from maskbus.testing import node as node_here
from maskbus_client import Client
from maskbus_wire import replies, requests
from maskbus_wire.prompts import Image
from support.nodes import LiveNode, live_node
from support.peer import TINY, raw
from support.processes import node_process
from support.streaming import BOX, Camera, Watcher, add_up, follow, picture, plain, seen
from support.waiting import until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")

MIB = 1 << 20
MODELS = {"fragile": {"handler": "failing"}, "unloadable": {"handler": "failing", "options": {"load_die": True}}}


@pytest.fixture(scope="module")
def running():
    with live_node(
        model=MODELS,
        models=["echo", *MODELS],
        preload=["echo", "fragile"],
        heartbeat_s=0.2,
        heartbeat_timeout_s=5.0,
        hang_grace_s=0.3,
        backoff_s=0.05,
    ) as node:
        yield node


@pytest.fixture
def camera(running, request):
    with Camera(running.context, running.tcp, request.node.name) as made:
        yield made
        if made.info() is not None:
            made.close()


@contextlib.contextmanager
def watching(node, *prefixes, context=None, **options):
    context = context or node.context
    with Watcher(context, getattr(node, "topics", None) or node.publish_endpoint, **options) as made:
        endpoint = getattr(node, "tcp", None) or node.endpoint
        with Camera(context, endpoint) as peer:
            made.subscribe_and_settle(peer, *prefixes)
        yield made


def worker(node: LiveNode, model="fragile"):
    return node.worker(model)


def restarted(node, pid):
    until(lambda: worker(node).state == "ready" and worker(node).pid != pid, "the worker did not come back")


# -- cameras -----------------------------------------------------------------------------------------------------------


def test_a_camera_that_vanishes_and_returns(running):
    with watching(running, "masks/back/") as watcher:
        for turn in range(4):
            camera = Camera(running.context, running.tcp, "back")
            assert camera.open(model="echo", policy="every", prompt=BOX).resumed == (turn > 0)
            for _ in range(5):
                camera.frame(stamp=turn)
            if turn % 2:
                camera.settle()
            camera.socket.close()  # in the middle of whatever it did
        with Camera(running.context, running.tcp, "back") as camera:
            camera.open(model="echo", policy="every", prompt=BOX)
            for _ in range(5):
                camera.frame(stamp=9)
            while (result := watcher.next()).stamp != 9 or result.seq != 4:
                pass
            assert camera.close() == replies.StreamCounts(received=5, answered=5)


def test_a_camera_that_sends_garbage_harms_nobody(running, camera):
    """Random bytes for pictures, wrong sizes, wrong types, half a message; another camera has all of its results."""
    seed = 20261121
    print(f"seed {seed}")
    chance = random.Random(seed)
    camera.open(model="echo", policy="every", max_waiting=4, prompt=BOX)

    def noise():
        return chance.randbytes(chance.choice([0, 1, 7, 60, 3000]))

    def header(**fields):
        plain = {"maskbus": "1.3", "op": "stream.frame", "stream": "bad", "seq": 1, "image": {"attachment": 0}}
        return msgpack.packb(plain | fields)

    with Camera(running.context, running.tcp, "bad") as bad, watching(running, "masks/") as watcher:
        bad.open(model="echo", policy="newest", prompt=BOX)
        sent = 0
        for turn in range(120):
            kind = chance.randrange(8)
            sent += kind != 0
            if kind == 0:
                bad.send_raw([noise(), noise()])
            elif kind == 1:
                bad.send_raw([header(image=chance.choice([None, 5, [], {}, {"slot": {}}])), noise()])
            elif kind == 2:
                bad.send_raw([header(seq=chance.choice(["a", 2**63, -(2**63)]), stamp=0.5), noise()])
            elif kind == 3:
                bad.frame(b"\xff\xd8\xff" + noise(), image=picture(b"", "jpeg"))
            elif kind == 4:
                bad.frame(noise(), image=raw(width=chance.randrange(1, 9), height=chance.randrange(1, 9)))
            elif kind == 5:
                bad.frame(noise(), image=picture(b"", chance.choice(["png", "webp", "gif"])))
            elif kind == 6:
                bad.frame(b"", image=Image(base64="data:image/jpeg;base64,//", encoding=None))
            else:  # one that is whole, of another size
                side = chance.randrange(5, 60)
                bad.frame(plain(0, side, side), stamp=chance.choice([0, -1, 2**62]))
            if turn % 2:
                camera.frame()
        mine = []
        while len(mine) < 60:
            result = watcher.next()
            if result.stream == camera.name:
                mine.append(result.seq)
        assert mine == list(range(60))
        counts = bad.settle().counts
        add_up(counts)
        assert counts.received == sent
        assert counts.dropped["failed"] > 15  # those that a newer one did not push out before they were looked at
        bad.frame()
        until(lambda: bad.settle().counts.answered > counts.answered, "a good frame was not looked at")
    assert running.stats().shm_used_bytes == 0


def test_a_camera_that_changes_its_size_in_mid_stream(running, camera):
    camera.open(model="echo", policy="every", prompt=BOX)
    with watching(running, f"masks/{camera.name}/") as watcher:
        for side in (40, 5, 200, 8):
            camera.frame(plain(0, side, side))
            result = watcher.next()
            assert (result.width, result.masks[0].area) == (side, 6)
        camera.frame(plain(0, 2, 2))  # the prompt lies outside
        assert camera.error().path == "prompt.boxes[0]"
        camera.frame()
        assert watcher.next().seq == 5


def test_a_stream_that_tracks_and_changes_its_size(running, camera):
    camera.open(model="fragile", policy="every", track=True, objects=[follow(1)])
    with watching(running, f"masks/{camera.name}/") as watcher:
        for number, side in enumerate((9, 20, 9, 3)):
            camera.frame(plain(0, side, side))
            if side == 9:
                assert (result := watcher.next()).seq == number
                assert seen(result) == {1: True}
            else:
                assert camera.error().path == "image"
        assert camera.settle().counts == replies.StreamCounts(received=4, answered=2, dropped={"failed": 2})


# -- subscribers -------------------------------------------------------------------------------------------------------


def test_a_subscriber_that_stops_reading_costs_nobody_anything():
    """It wants masks and frames as they are, and never reads them: what is for it is dropped, not kept."""
    with node_process() as node, zmq.Context() as context:
        rss = psutil.Process(node.process.pid).memory_info
        pixels = plain(3, 300, 400)
        with (
            Camera(context, node.endpoint) as camera,
            Watcher(context, node.topics, rcvhwm=1, rcvbuf=4096) as deaf,
            Watcher(context, node.topics) as watcher,
        ):
            deaf.subscribe_and_settle(camera, "raw:masks/", "frames/")
            watcher.subscribe_and_settle(camera, "masks/front")
            camera.open(model="echo", policy="every", prompt=BOX)
            before = 0
            for number in range(500):
                camera.frame(pixels)
                assert watcher.next().seq == number
                if number == 100:
                    before = rss().rss
            assert rss().rss - before < 40 * MIB  # 240 MB were meant for the one who does not read
            assert camera.close() == replies.StreamCounts(received=500, answered=500)
            context.destroy(linger=0)


# -- many --------------------------------------------------------------------------------------------------------------


def test_streams_that_are_opened_and_abandoned_leave_nothing():
    alive = []

    class Counted(EchoTracker):
        def __init__(self, options):
            super().__init__(options)
            alive.append(self)

        def close(self):
            alive.remove(self)
            super().close()

    class Counting(EchoHandler):
        def tracker(self, options):
            return Counted(options)

    with (
        node_here({"echo": Counting}, stream_idle_s=4.0, streams=500, heartbeat_s=0.2) as node,
        Camera(node.context, node.endpoint) as camera,
    ):
        table = node.bus.broker._streams
        for number in range(500):
            camera.name = f"s{number}"
            camera.open(track=number % 2 == 0, always=True, policy=["newest", "every"][number % 3 == 0])
            camera.limit = None
            for _ in range(number % 4):
                camera.frame()
        refused = camera.ask_for(requests.StreamOpen(id="open", stream="one-more"))
        assert refused.code == "busy"
        assert len(camera.ask_for(requests.StreamList(id="list")).streams) > 400
        assert alive
        until(lambda: not camera.ask_for(requests.StreamList(id="list")).streams, "streams were left")
        until(lambda: not alive, "trackers were left")
        assert (table._waiting_bytes, [len(turns) for turns in table._turns.values()]) == (0, [0])
        stats = camera.ask_for(requests.Stats(id="stats"))
        assert (stats.shm_used_bytes, [one for one in stats.topics if one.topic.startswith("masks/s")]) == (0, [])
        camera.name = "another"
        camera.open(always=True)
        camera.frame()
        assert camera.settle().counts.answered == 1


# -- workers -----------------------------------------------------------------------------------------------------------


def lost(result):
    return any("lost" in note for note in result.notes or [])


def test_a_worker_killed_while_it_follows_objects(running, camera):
    camera.open(
        model="fragile", policy="every", track=True, objects=[follow(1), follow(2)], options={"work": 60, "at": 2}
    )
    with watching(running, f"masks/{camera.name}/") as watcher:
        for _ in range(2):
            camera.frame()
            assert seen(watcher.next()) == {1: True, 2: True}
        camera.frame()
        until(lambda: worker(running).state == "busy", "the model did not begin")
        pid = worker(running).pid
        os.kill(pid, signal.SIGKILL)
        error = camera.error()
        assert (error.code, error.seq) == ("worker_died", 2)
        for _ in range(2):
            camera.frame()
            result = watcher.next()
            assert lost(result)
            assert result.masks == []
        assert "lost" in camera.info().last_error
        camera.update(objects=[follow(1)])
        result = watcher.next()
        assert (seen(result), result.seq) == ({1: True}, 4)
        camera.update(options={})


def test_a_worker_killed_between_two_frames(running, camera):
    camera.open(model="fragile", policy="every", track=True, objects=[follow(1)])
    with watching(running, f"masks/{camera.name}/") as watcher:
        camera.frame()
        assert seen(watcher.next()) == {1: True}
        pid = worker(running).pid
        os.kill(pid, signal.SIGKILL)
        restarted(running, pid)
        camera.frame()
        result = watcher.next()
        assert (lost(result), result.seq) == (True, 1)
        camera.update(objects=[follow(7)])
        assert seen(watcher.next()) == {7: True}
        camera.frame()
        result = watcher.next()
        assert (seen(result), lost(result)) == ({7: True}, False)
        add_up(camera.settle().counts)


def test_a_worker_killed_while_objects_are_changed(running, camera):
    camera.open(model="fragile", policy="every", track=True, objects=[follow(1)])
    with watching(running, f"masks/{camera.name}/") as watcher:
        camera.frame()
        watcher.next()
        os.kill(worker(running).pid, signal.SIGSTOP)
        camera.send(requests.StreamUpdate(id="update", stream=camera.name, objects=[follow(2)]))
        camera.frame()
        until(lambda: worker(running).state == "busy", "the update was not begun")
        os.kill(worker(running).pid, signal.SIGKILL)
        error = camera.error()
        assert (error.code, error.id) == ("worker_died", "update")
        result = watcher.next()
        assert (lost(result), result.seq, result.masks) == (True, 1, [])


def test_a_tracker_that_hangs_past_its_deadline(running, camera):
    camera.open(
        model="fragile",
        policy="every",
        track=True,
        objects=[follow(1)],
        deadline_ms=1000,
        options={"hang": 3600, "at": 1},
    )
    with watching(running, f"masks/{camera.name}/") as watcher:
        camera.frame()
        assert seen(watcher.next()) == {1: True}
        pid = worker(running).pid
        camera.frame()
        error = camera.error()
        assert (error.code, error.seq) == ("deadline_exceeded", 1)
        restarted(running, pid)
        camera.frame()
        assert lost(watcher.next())
        assert camera.settle().counts == replies.StreamCounts(received=3, answered=2, dropped={"failed": 1})


def test_a_model_that_dies_with_each_frame_leaves_the_others_alone(running, camera):
    camera.open(model="echo", policy="every", prompt=BOX)
    with (
        Camera(running.context, running.tcp, "deadly") as deadly,
        watching(running, f"masks/{camera.name}/") as watcher,
    ):
        deadly.open(model="fragile", policy="every", always=True, options={"die": True})
        for _ in range(3):
            deadly.frame()
        for number in range(30):
            camera.frame()
            assert watcher.next().seq == number
        assert [deadly.error().seq for _ in range(3)] == [0, 1, 2]
        assert deadly.close() == replies.StreamCounts(received=3, dropped={"failed": 3})


def test_a_model_that_dies_while_it_is_loaded(running, camera):
    camera.open(model="unloadable", policy="every", always=True, prompt=BOX)
    for number in range(3):
        camera.frame()
        error = camera.error()
        assert (error.code, error.seq) == ("model_unavailable", number)
    assert camera.settle().counts == replies.StreamCounts(received=3, dropped={"failed": 3})


# -- nodes -------------------------------------------------------------------------------------------------------------


def test_the_node_is_killed_under_running_cameras():
    """Frames for a stream that the new node does not know are answered so, and the producer opens it again."""
    with zmq.Context() as context:
        with node_process() as node, Camera(context, node.endpoint) as camera:
            camera.open(model="echo", always=True, prompt=BOX)
            camera.frame()
            assert camera.settle().counts.answered == 1
            node.kill()
            for _ in range(5):
                camera.frame()
            with node_process(bind=node.endpoint) as again, Camera(context, again.endpoint, "front"):
                error = camera.error()
                assert (error.code, error.stream) == ("unknown_stream", "front")
                assert not camera.open(model="echo", always=True, prompt=BOX).resumed
                camera.errors.clear()
                camera.frame()
                until(lambda: camera.settle().counts.answered >= 1, "the camera did not go on")
                add_up(camera.close())
        context.destroy(linger=0)


def test_cameras_of_the_client_go_on_by_themselves():
    with node_process() as node, Client(node.endpoint) as client:
        stream = client.stream("front", model="echo", box=(1, 1, 4, 3), always=True)
        assert stream.send(TINY)
        until(lambda: stream.info().counts.answered == 1, "the first frame was not looked at")
        node.kill()
        with node_process(bind=node.endpoint):

            def goes_on():
                stream.send(TINY)
                return stream.reopened >= 1 and any(one.stream == "front" for one in client.streams())

            until(goes_on, "the stream was not opened again")
            until(lambda: stream.send(TINY) and stream.info().counts.answered > 0, "no frame was looked at")
            counts = stream.close()
            assert counts.answered > 0


# -- for long ----------------------------------------------------------------------------------------------------------


def test_ten_thousand_frames_take_no_more_memory_than_two_thousand():
    """Objects come and go all the time; the model's memory and the node's stay where they are."""
    with node_process() as node, zmq.Context() as context:
        main = psutil.Process(node.process.pid)
        with Camera(context, node.endpoint) as camera:
            camera.open(model="echo", policy="every", max_waiting=64, track=True, always=True)
            (child,) = main.children()
            marks = []
            for number in range(10_000):
                camera.frame()
                if number % 100 == 0:
                    turn = number // 100
                    changed = camera.update(objects=[follow(turn)], remove=[turn - 3] if turn > 2 else [])
                    assert isinstance(changed, replies.StreamUpdated), changed
                if number in (2_000, 6_000, 9_999):
                    marks.append((main.memory_info().rss, child.memory_info().rss))
            info = camera.settle()
            assert info.counts == replies.StreamCounts(received=10_000, answered=10_000)
            assert len(info.object_ids) == 3
            for before, later in itertools.pairwise(marks):
                assert later[0] - before[0] < 8 * MIB, marks
                assert later[1] - before[1] < 8 * MIB, marks
        context.destroy(linger=0)
