"""Streams of the Python clients at real nodes: masks, frames, credit, slots, objects, and nodes that come and go."""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack, closing, suppress

import numpy as np
import pytest

from maskbus.handlers.echo import EchoHandler
from maskbus.testing import node
from maskbus_client import AsyncClient, Client, DeadlineExceeded, NoFreeSlot
from support.models import Bright, Gate
from support.nodes import live_node
from support.waiting import until

TCP = {"bind": ["tcp://127.0.0.1:*"], "publish": ["tcp://127.0.0.1:*"]}
PICTURE = np.random.default_rng(3).integers(0, 256, (48, 64, 3), np.uint8)
LARGE = (180, 200, 3)
"""Shape of a frame that is worth a slot."""
BOX = (10, 12, 30, 40)
ECHOED = (10, 12, 20, 28)


@pytest.fixture
def running():
    with node({"echo": EchoHandler, "bright": Bright}, **TCP) as made:
        yield made


@pytest.fixture
def client(running):
    with running.client(deadline=20) as made:
        yield made


def numbered(seq: int) -> np.ndarray:
    return np.full(LARGE, seq % 256, np.uint8)


def send_on(stream, image=PICTURE, **fields):
    """Send one frame; again, should the connection not be there yet."""
    until(lambda: stream.send(image, **fields), "No frame was ever taken.")


def show_first(stream, frames, image=PICTURE):
    """Send frames without a number until one has been seen: their topic has no last value and nobody to ask."""

    def shown():
        send_on(stream, image, seq=-1)
        try:
            return next(frames)
        except DeadlineExceeded:
            return None

    until(shown, "No frame is shown.")


def take(subscription, seq):
    """Return what comes of one frame."""
    found = []

    def comes():
        with suppress(DeadlineExceeded):
            found.append(next(subscription))
        return found and found[-1].seq == seq

    until(comes, f"Nothing comes of frame {seq}.")
    return found[-1]


def test_masks_and_frames_come_as_they_are_made(client):
    red = np.zeros((48, 64, 3), np.uint8)
    red[5:20, 7:30, 2] = 255
    with (
        client.stream("front", model="bright", color="bgr") as stream,
        stream.results(newest=False, timeout=1) as results,
        stream.frames(newest=False, timeout=0.2) as frames,
    ):
        until(lambda: stream.watched, "Nobody watches.")
        show_first(stream, frames, red)
        begin = stream.sent
        for seq in range(3):
            send_on(stream, red, stamp=seq, frame_id="cam", seq=seq)
            frame, result = take(frames, seq), take(results, seq)
            assert frame.seq == result.seq == result.stamp == seq
            assert (result.stream, result.frame_id) == ("front", "cam")
            np.testing.assert_array_equal(frame.image, red[:, :, ::-1])
            np.testing.assert_array_equal(result[0].to_array(), red[:, :, 2] > 0)
            assert result.counts.received == begin + seq + 1
        counts = stream.close()
        assert (counts.received, counts.answered) == (begin + 3, stream.sent - sum(counts.dropped.values()))


def test_a_prompt_changes_while_frames_go_on(client):
    with (
        client.stream("front", model="echo", box=BOX) as stream,
        stream.results(newest=False, timeout=20) as results,
    ):
        until(lambda: stream.watched, "Nobody watches.")
        send_on(stream)
        assert next(results)[0].bbox == ECHOED
        stream.update(box=(0, 0, 5, 5), encoding=["bits"])
        send_on(stream)
        result = next(results)
        assert (result[0].bbox, result.encodings) == ((0, 0, 5, 5), ["bits"])


def test_newest_looks_at_the_newest_and_counts_the_others():
    gate = Gate()
    with node({"gated": gate.handler}, **TCP) as running, running.client() as client, ExitStack() as stack:
        stack.callback(gate.open)
        stream = stack.enter_context(client.stream("front", box=BOX))
        results = stack.enter_context(stream.results(newest=False, timeout=20))
        until(lambda: stream.watched, "Nobody watches.")
        send_on(stream)
        gate.wait_until_entered()
        for _ in range(20):
            send_on(stream)
        until(lambda: stream.info().counts.received == stream.sent, "Frames were lost.")
        newest = stream.sent + stream.dropped - 1
        info = stream.info()
        assert (info.under_way, info.counts.dropped) == (2, {"newer": stream.sent - 2})
        gate.open()
        assert [next(results).seq, next(results).seq] == [0, newest]
        assert stream.close().answered == 2


@pytest.mark.parametrize("shared_memory", [False, True])
def test_every_loses_no_frame_and_waits_for_the_last(client, shared_memory):
    with client.stream(
        "file", model="echo", policy="every", max_waiting=3, always=True, box=BOX, shared_memory=shared_memory
    ) as stream:
        for seq in range(60):
            assert stream.send(numbered(seq))
        counts = stream.close()
    assert (counts.received, counts.answered, counts.dropped) == (60, 60, {})
    assert (stream.sent, stream.dropped, stream.errors) == (60, 0, 0)


def test_frames_that_are_not_copied_arrive_as_they_were(client):
    ring = [np.zeros(LARGE, np.uint8) for _ in range(8)]
    with (
        client.stream("lent", model="echo", box=BOX, policy="every", max_waiting=2, always=True) as stream,
        stream.frames(newest=False, timeout=10) as frames,
    ):
        show_first(stream, frames)
        for seq in range(40):
            ring[seq % 8][:] = seq
            stream.send(ring[seq % 8], seq=seq, copy=False)
        for seq in range(40):
            frame = take(frames, seq)
            assert (frame.image == seq).all(), seq


def test_slots_are_never_written_to_while_they_are_read(client):
    with (
        client.stream("front", model="echo", always=True, box=BOX, shared_memory=True) as stream,
        stream.frames(newest=False, timeout=0.2) as frames,
    ):
        show_first(stream, frames, numbered(-1))
        until(lambda: send_on(stream, numbered(-1), seq=-1) or client.stats().leases, "No lease.")
        seq = 0
        for _ in range(40):
            sent = [number for number in range(seq, seq + 6) if stream.send(numbered(number), seq=number)]
            for number in sent:
                frame = take(frames, number)
                assert (frame.image == number % 256).all(), number
            seq += 6
        counts = stream.close()
    assert (counts.received, stream.errors, stream.lost) == (stream.sent, 0, 0)
    until(lambda: client.stats().leases == 0, "The slots were not given back.")


def test_a_frame_without_a_free_slot_is_dropped_here(client):
    with client.stream("front", model="echo", always=True, box=BOX, shared_memory=True) as stream:
        until(lambda: send_on(stream, numbered(0)) or stream._sender._slots._lease, "No lease.")
        lease = stream._sender._slots._lease
        until(lambda: stream.info().under_way == 0, "Frames are looked at for ever.")
        until(lambda: stream.check() or lease.free == lease.slots, "Slots are not given back.")
        taken = [lease.take() for _ in range(lease.slots)]
        dropped = stream.dropped
        assert not stream.send(numbered(1))
        assert stream.dropped == dropped + 1
        lease.give_back(taken[0])
        assert stream.send(numbered(2))


def test_an_image_in_the_callers_own_slot(client):
    gate = Gate()
    with (
        node({"gated": gate.handler}, **TCP) as running,
        running.client() as client,
        client.shared_memory(slots=2, slot_bytes=64 * 64 * 3) as memory,
        client.stream("front", always=True, box=BOX) as stream,
        ExitStack() as stack,
    ):
        stack.callback(gate.open)
        image = stack.enter_context(memory.image(height=48, width=64))
        image.array[:] = PICTURE
        send_on(stream, image)
        gate.wait_until_entered()
        with pytest.raises(NoFreeSlot):
            image.edit(timeout=0.01)
        gate.open()
        until(lambda: stream.info().counts.answered == 1, "The frame was not looked at.")
        stream.check()
        image.edit(timeout=5)[:] = 0


def test_objects_are_followed_corrected_and_removed(client):
    mask = np.zeros((48, 64), np.bool_)
    mask[20:30, 40:50] = True
    with (
        client.stream("front", model="echo", objects={1: {"box": BOX}, 7: {"mask": mask}}) as stream,
        stream.results(newest=False, timeout=20) as results,
    ):
        until(lambda: stream.watched, "Nobody watches.")
        send_on(stream)
        result = next(results)
        assert [(one.object_id, one.present, one.bbox) for one in result] == [
            (1, True, ECHOED),
            (7, True, (40, 20, 10, 10)),
        ]
        assert stream.add(9, box=(0, 0, 4, 4)).seq == result.seq
        assert [one.object_id for one in next(results)] == [1, 7, 9]
        stream.update(objects={7: {"box": (1, 1, 3, 3)}}, remove=[1])
        assert [(one.object_id, one.bbox) for one in next(results)] == [(7, (1, 1, 2, 2)), (9, (0, 0, 4, 4))]
        stream.remove(9)
        assert stream.info().object_ids == [7]


def test_a_stream_that_was_idle_for_too_long_is_opened_again(client):
    with client.stream("front", model="echo", always=True, box=BOX, idle=0.2) as stream:
        send_on(stream)
        until(lambda: client.streams() == [], "The stream is not closed.")
        until(lambda: send_on(stream) or stream.reopened, "The stream is not opened again.")
        send_on(stream)
        until(lambda: stream.info().counts.answered, "No frame is looked at.")
        assert (stream.reopened, stream.errors) == (1, 0)


@pytest.mark.parametrize("shared_memory", [False, True])
def test_frames_go_on_when_the_node_is_restarted(shared_memory):
    with ExitStack() as stack:
        first = ExitStack()
        running = first.enter_context(node({"echo": EchoHandler}, **TCP))
        where = {"bind": [running.endpoint], "publish": [running.publish_endpoint]}
        client = stack.enter_context(Client(running.endpoint, deadline=20))
        stream = stack.enter_context(
            client.stream("front", always=True, objects={1: {"box": BOX}}, shared_memory=shared_memory)
        )
        results = stack.enter_context(stream.results(newest=True, timeout=20))
        until(lambda: send_on(stream, numbered(0)) or bool(client.stats().leases) == shared_memory, "No slots.")
        until(lambda: send_on(stream, numbered(0)) or len(next(results)) == 1, "No object.")
        first.close()
        stack.enter_context(node({"echo": EchoHandler}, **where))
        until(lambda: stream.send(numbered(0)) and stream.reopened, "The stream is not opened again.")
        until(lambda: send_on(stream, numbered(0)) or stream.info().counts.answered, "No frame is looked at.")
        # The objects are lost; they are given again.
        stream.add(1, box=BOX)
        until(lambda: send_on(stream, numbered(0)) or [one.object_id for one in next(results)] == [1], "No object.")
        until(lambda: send_on(stream, numbered(0)) or bool(client.stats().leases) == shared_memory, "No slots.")
        assert (stream.reopened, stream.errors) == (1, 0)
        stream.close()


def test_asyncio_does_the_same(running):
    async def go():
        async with AsyncClient(running.endpoint, deadline=20) as client:
            async with await client.stream(
                "file", model="echo", policy="every", max_waiting=3, box=BOX, shared_memory=True
            ) as stream:
                async with stream.results(newest=False, timeout=20) as results, stream.frames(newest=False) as frames:
                    while not (await stream.info()).watched:
                        await asyncio.sleep(0.005)
                    shown = asyncio.ensure_future(frames.__anext__())
                    while not shown.done():
                        await stream.send(numbered(0), seq=-1)
                        await asyncio.sleep(0.005)
                    for seq in range(30):
                        assert await stream.send(numbered(seq), seq=seq)
                    for seq in range(30):
                        while (result := await results.__anext__()).seq != seq:
                            assert result.seq == -1
                        while (frame := await frames.__anext__()).seq != seq:
                            assert frame.seq == -1
                        assert result[0].bbox == ECHOED
                        assert (frame.image == seq).all()
                counts = await stream.close()
                assert counts.received == counts.answered == stream.sent
            with pytest.raises(ValueError, match="closed"):
                await stream.send(PICTURE)
            assert await client.streams() == []

    asyncio.run(go())


def test_a_node_in_the_same_process_copies_nothing_it_should_not(running):
    with node({"bright": Bright}) as inside, inside.client() as client:
        picture = np.zeros((48, 64, 3), np.uint8)
        picture[:, :20, 0] = 255
        with (
            client.stream("front", policy="every", always=True) as stream,
            stream.results(newest=False, timeout=20) as results,
        ):
            until(lambda: stream.watched, "Nobody watches.")
            stream.send(picture)
            picture[:] = 0
            assert next(results)[0].area == 48 * 20


def test_streams_leave_nothing_behind():
    def open_files():
        return len(os.listdir("/proc/self/fd"))

    def use(i):
        with client.stream(f"camera{i}", model="echo", always=True, box=BOX, shared_memory=True) as stream:
            until(lambda: send_on(stream, numbered(0)) or client.stats().leases, "No lease.")
            with closing(stream.results()):
                pass

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("There is no list of open files here.")
    with live_node(models=["echo"]) as running, Client(running.tcp, deadline=20) as client:
        client.segment(numbered(0), model="echo")  # the node keeps the file that this takes
        use(0)
        until(lambda: client.stats().leases == 0, "The slots were not given back.")
        before = open_files()
        for i in range(5):
            use(i)
        until(lambda: client.stats().leases == 0, "The slots were not given back.")
        until(lambda: open_files() <= before, "Files are left open.")
        assert client.streams() == []
