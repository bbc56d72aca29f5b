"""The rules of retry, probe and deadline without a socket or a wait: the test is the transport and the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
import pytest

from maskbus_client.core import Incoming, Peer, Policy, check_deadline, converse, expect
from maskbus_client.errors import (
    BY_CODE,
    Busy,
    Cancelled,
    DeadlineExceeded,
    InvalidValue,
    NodeUnreachable,
    ProtocolError,
)
from maskbus_client.link import Garbage, Link
from maskbus_client.steps import Connect, Send, Wait
from maskbus_wire import prompts, replies, requests
from maskbus_wire.errors import RETRYABLE
from maskbus_wire.frames import encode


class World:
    """Play the transport, the node and the clock: `node` says what comes of each message, and when."""

    def __init__(self, node: Callable[[World, dict], None], **policy: float) -> None:
        self.now = 100.0
        self.node = node
        self.peer = Peer("tcp://nowhere:1", Policy(**policy), clock=lambda: self.now)  # type: ignore[arg-type]
        self.link = Link()
        self.links = 1
        self.sent: list[dict] = []
        self.coming: list[tuple[float, Link, list[bytes]]] = []

    def reply(self, message: replies.Reply, after: float = 0.01) -> None:
        self.raw([b"", *encode(message)], after)

    def raw(self, frames: list, after: float = 0.01) -> None:
        self.coming.append((self.now + after, self.link, frames))
        self.coming.sort(key=lambda entry: entry[0])

    def run(
        self, request: requests.AnyRequest, deadline: float | None = None, size: int = 0, **options: Any
    ) -> Incoming:
        flow = converse(self.peer, request, [b"x" * size] if size else [], deadline=deadline, **options)
        event = None
        try:
            while True:
                step = flow.send(event)
                event = None
                if isinstance(step, Connect):
                    if step.instead_of is self.link:
                        self.link = Link()
                        self.links += 1
                    event = self.link
                elif isinstance(step, Send):
                    plain = msgpack.unpackb(step.frames[0])
                    self.sent.append(plain)
                    self.node(self, plain)
                else:
                    event = self._wait(step)
        except StopIteration as stop:
            return stop.value

    def _wait(self, step: Wait) -> object:
        while self.coming and self.coming[0][0] <= step.until:
            self.now, link, frames = self.coming.pop(0)
            if link is self.link:
                arrival = link.open(frames)
                if arrival is not None:
                    return arrival
        self.now = max(self.now, step.until)
        return None

    def count(self, op: str) -> int:
        return sum(plain["op"] == op for plain in self.sent)


SEGMENT = requests.Segment(id="mine", image=prompts.Image(image_id="i"))


def masks(id: str = "mine") -> replies.Masks:
    return replies.Masks(id=id, model="m", width=2, height=2, masks=[])


def pong(plain: dict, run: str = "run") -> replies.Pong:
    return replies.Pong(id=plain["id"], node=run, version="0", uptime_s=0.0, endpoints=[], publish_endpoints=[])


def statistics(plain: dict, *, running: int, run: str = "run") -> replies.Statistics:
    models = [replies.ModelStats(name="m", running=running)]
    return replies.Statistics(id=plain["id"], node=run, version="0", uptime_s=0.0, models=models, workers=[])


def failure(code: str, id: str = "mine") -> replies.Error:
    return replies.Error(id=id, code=code, message="No.", queue_length=3 if code == "busy" else None)


def test_the_first_message_is_a_ping_and_the_first_answer_is_the_answer():
    def node(world: World, plain: dict) -> None:
        world.reply(pong(plain) if plain["op"] == "ping" else masks())

    world = World(node)
    assert isinstance(world.run(SEGMENT).reply, replies.Masks)
    assert [plain["op"] for plain in world.sent] == ["ping", "segment"]
    assert world.link.run == "run"
    world.run(SEGMENT)
    assert world.count("ping") == 1
    assert not world.peer.cancelled


def test_the_deadline_goes_along_in_what_is_left_of_it():
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "segment":
            if world.count("segment") == 1:
                world.reply(failure("busy"), 1.0)
            else:
                world.reply(masks())

    world = World(node)
    world.run(SEGMENT, deadline=7.5)
    first, second = [plain["deadline_ms"] for plain in world.sent if plain["op"] == "segment"]
    assert first == 7500
    assert 6300 <= second < 6500


def test_a_slow_request_is_not_sent_again_while_the_node_is_well():
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "ping":
            world.reply(pong(plain))
        elif plain["op"] == "stats":
            world.reply(statistics(plain, running=1))
        else:
            world.reply(masks(), 25.0)

    world = World(node)
    world.run(SEGMENT, deadline=30)
    assert world.count("segment") == 1
    assert world.count("ping") + world.count("stats") > 10
    assert world.links == 1


def test_a_lost_request_is_sent_again_over_a_fresh_connection():
    def node(world: World, plain: dict) -> None:
        if world.links == 2:
            world.reply(pong(plain) if plain["op"] == "ping" else masks())

    world = World(node)
    world.run(SEGMENT)
    assert world.links == 2
    assert world.count("segment") == 2
    assert world.now < 104


def test_a_restarted_node_is_asked_again():
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "ping":
            # The first ping, sent ahead of the request, is answered by the run that then went away.
            world.reply(pong(plain, "first" if len(world.sent) == 1 else "second"))
        elif world.links == 2:
            world.reply(masks())

    world = World(node)
    world.run(SEGMENT)
    assert world.count("segment") == 2
    assert world.links == 2
    assert world.now < 102


def test_a_node_that_lost_its_greeting_with_the_request_is_asked_again():
    def node(world: World, plain: dict) -> None:
        if len(world.sent) <= 2:
            return
        world.reply(pong(plain) if plain["op"] == "ping" else masks())

    world = World(node)
    world.run(SEGMENT)
    assert world.count("segment") == 2


def test_a_lost_reply_is_found_out_when_the_node_has_nothing_to_do():
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "ping":
            world.reply(pong(plain))
        elif plain["op"] == "stats":
            world.reply(statistics(plain, running=0))
        elif world.links == 2:
            world.reply(masks())

    world = World(node)
    world.run(SEGMENT, deadline=30)
    assert world.count("segment") == 2
    assert world.count("stats") == 2
    assert world.now < 115


def test_a_large_message_is_given_the_time_a_slow_link_takes():
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "segment":
            world.reply(masks(), 6.0)

    world = World(node)
    request = requests.Segment(id="mine", image=prompts.Image(attachment=0))
    world.peer.heard = True
    world.run(request, size=20_000_000)
    assert world.count("segment") == 1


@pytest.mark.parametrize("code", sorted(RETRYABLE))
def test_what_may_pass_is_tried_again_after_a_pause(code):
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "segment":
            world.reply(failure(code) if world.count("segment") < 3 else masks())

    world = World(node)
    world.run(SEGMENT)
    assert world.count("segment") == 3
    assert 0.15 < world.now - 100 < 0.6
    assert world.links == (3 if code == "shutting_down" else 1)


@pytest.mark.parametrize("code", sorted(RETRYABLE))
def test_what_does_not_pass_is_raised_in_the_end(code):
    world = World(lambda world, plain: world.reply(failure(code)) if plain["op"] == "segment" else None)
    with pytest.raises(BY_CODE[code]) as caught:
        world.run(SEGMENT)
    assert world.count("segment") == 3
    assert caught.value.queue_length == (3 if code == "busy" else None)


def test_a_pause_longer_than_the_deadline_is_not_begun():
    world = World(lambda world, plain: world.reply(failure("busy")) if plain["op"] == "segment" else None)
    with pytest.raises(Busy):
        world.run(SEGMENT, deadline=0.05)
    assert world.now < 100.05


def test_other_errors_are_raised_at_once():
    world = World(lambda world, plain: world.reply(failure("invalid_value")) if plain["op"] == "segment" else None)
    with pytest.raises(InvalidValue):
        world.run(SEGMENT)
    assert world.count("segment") == 1


def test_an_error_without_an_id_is_the_answer_too():
    world = World(lambda world, plain: world.reply(failure("invalid_value", "")) if plain["op"] == "segment" else None)
    with pytest.raises(InvalidValue):
        world.run(SEGMENT)


def test_an_answer_to_an_earlier_try_ends_the_pause():
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "segment":
            world.reply(failure("busy"))
            world.reply(masks(), 0.02)

    world = World(node)
    world.run(SEGMENT)
    assert world.count("segment") == 1


def test_answers_to_others_are_passed_over():
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "segment":
            world.reply(failure("internal", "another's"))
            world.reply(masks("late one"), 0.02)
            world.reply(masks(), 0.03)

    assert World(node).run(SEGMENT).reply.id == "mine"


@pytest.mark.parametrize("noise", [[b"", *encode(masks("another"))], [b"junk"]])
def test_a_peer_that_never_stops_sending_something_else_does_not_outlast_the_deadline(noise):
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "ping":
            world.reply(pong(plain))
        for after in range(1, 70):
            world.raw(noise, after * 0.01)

    world = World(node)
    with pytest.raises(DeadlineExceeded):
        world.run(SEGMENT, deadline=0.5)
    assert world.now < 101.0


def test_nobody_there():
    world = World(lambda world, plain: None)
    with pytest.raises(NodeUnreachable, match="maskbus serve") as caught:
        world.run(SEGMENT)
    assert world.now == pytest.approx(105)
    assert isinstance(caught.value, TimeoutError)


def test_nobody_there_and_a_shorter_deadline():
    world = World(lambda world, plain: None)
    with pytest.raises(NodeUnreachable):
        world.run(SEGMENT, deadline=0.5)
    assert world.now == pytest.approx(100.5)


def test_a_node_that_was_heard_before_may_be_restarting_and_is_given_the_whole_deadline():
    def node(world: World, plain: dict) -> None:
        if world.now == 100:
            world.reply(pong(plain))

    world = World(node)
    world.run(requests.Ping(id="mine"))
    with pytest.raises(NodeUnreachable):
        world.run(SEGMENT, deadline=20)
    assert world.now == pytest.approx(120, abs=0.1)
    assert world.count("segment") == 3


def test_a_node_that_ends_during_a_long_call_is_not_waited_for_to_the_end():
    def node(world: World, plain: dict) -> None:
        if world.now < 105.0 and plain["op"] == "ping":
            world.reply(pong(plain))

    world = World(node)
    with pytest.raises(NodeUnreachable, match=r"has been silent for 3\d s: it has ended"):
        world.run(SEGMENT, deadline=600)
    assert 130 <= world.now < 140
    assert world.count("segment") == 3


def test_a_node_that_is_back_in_time_answers_a_long_call():
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "ping" and not 105 < world.now < 125:
            world.reply(pong(plain, run="first" if world.now < 105 else "second"))
        elif plain["op"] == "stats":
            world.reply(statistics(plain, running=1, run="second"))
        elif plain["op"] == "segment" and world.links == 3:
            world.reply(masks(), after=300.0)  # what was queued is delivered once the node is there again

    world = World(node)
    assert isinstance(world.run(SEGMENT, deadline=600).reply, replies.Masks)
    assert world.count("segment") == 3


def test_a_node_that_is_there_and_never_answers():
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "ping":
            world.reply(pong(plain))
        elif plain["op"] == "stats":
            world.reply(statistics(plain, running=1))

    world = World(node)
    with pytest.raises(DeadlineExceeded) as caught:
        world.run(SEGMENT, deadline=3)
    assert world.now == pytest.approx(103)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.code == "deadline_exceeded"
    assert caught.value.request_id == "mine"


@pytest.mark.parametrize(
    "frames",
    [
        [b"HTTP/1.1 400"],
        [b"", b"\xc1"],
        [b"", b"\x90"],
        [b"", b"\x91" * 4000],
        [b"", b"\xdd" + b"\x00" * 5000],
        [b"x", b"\x80"],
    ],
)
def test_somebody_else_is_there(frames):
    world = World(lambda world, plain: world.raw(frames))
    with pytest.raises(ProtocolError, match="no maskbus node"):
        world.run(SEGMENT)
    assert world.now < 104


def test_garbage_among_answers_does_not_matter():
    def node(world: World, plain: dict) -> None:
        world.raw([b"", b"\xc1"])
        world.reply(pong(plain) if plain["op"] == "ping" else masks(), 0.5)

    World(node).run(SEGMENT)


@pytest.mark.parametrize(
    "plain",
    [
        {"maskbus": "1.0", "id": "mine", "reply": "segment"},
        {"maskbus": "1.0", "id": "mine", "reply": "dance"},
        {"maskbus": "1.0", "id": "mine"},
        {"maskbus": "7.0", "id": "mine", "reply": "segment"},
        {"id": "mine", "reply": "segment"},
    ],
)
def test_an_answer_that_breaks_the_contract(plain):
    world = World(lambda world, asked: world.raw([b"", msgpack.packb(plain)]) if asked["op"] == "segment" else None)
    with pytest.raises(ProtocolError, match="wire contract"):
        world.run(SEGMENT)


def test_a_cancel_between_two_tries_is_heeded():
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "segment":
            world.reply(failure("busy"))
            world.peer.cancelled["mine"] = True

    world = World(node)
    with pytest.raises(Cancelled):
        world.run(SEGMENT)
    assert world.count("segment") == 1


def test_cancel_itself_is_sent_once():
    world = World(lambda world, plain: None)
    world.peer.heard = True
    with pytest.raises(NodeUnreachable):
        world.run(requests.Cancel(id="c", target="mine"), deadline=10)
    assert world.count("cancel") == 1


def test_the_small_operations_are_asked_again_without_a_probe():
    def node(world: World, plain: dict) -> None:
        if world.links == 2 and plain["op"] == "describe":
            world.reply(replies.Models(id="mine", models=[], image_encodings=[], limits={}))

    world = World(node)
    world.run(requests.Describe(id="mine"))
    assert world.count("describe") == 2
    assert world.count("ping") == 2  # one greeting a connection


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 3601])
def test_a_deadline_is_a_length_of_time(seconds):
    with pytest.raises(ValueError, match="deadline"):
        check_deadline(seconds)
    assert check_deadline(np.float32(2)) == 2.0


def test_an_abandoned_flow_leaves_nothing_behind():
    world = World(lambda world, plain: None)
    flow = converse(world.peer, SEGMENT)
    assert isinstance(flow.send(None), Connect)
    assert "mine" in world.peer.cancelled
    flow.close()
    assert not world.peer.cancelled


EVERYTHING = requests.Everything(id="mine", image=prompts.Image(image_id="i"), progress=True)


def told(done: int, id: str = "mine") -> replies.Progress:
    return replies.Progress(id=id, done=done, total=9, found=done)


def found() -> replies.FoundMasks:
    return replies.FoundMasks(id="mine", model="m", width=2, height=2, masks=[])


def test_progress_is_handed_on_and_the_answer_is_the_answer():
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "everything":
            for done in (1, 2, 3):
                world.reply(told(done), done * 0.1)
            world.reply(told(8, "another's"), 0.35)
            world.reply(found(), 0.4)

    heard: list[int] = []
    world = World(node)
    reply = world.run(EVERYTHING, progress=lambda progress: heard.append(progress.done)).reply
    assert isinstance(reply, replies.FoundMasks)
    assert heard == [1, 2, 3]


def test_progress_is_a_sign_of_life():
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "everything":
            for tenth in range(1, 250):
                world.reply(told(tenth), tenth / 10)
            world.reply(found(), 25.0)

    world = World(node)
    world.run(EVERYTHING, deadline=30)
    assert [plain["op"] for plain in world.sent] == ["ping", "everything"]


def test_a_node_that_falls_silent_after_progress_is_asked():
    def node(world: World, plain: dict) -> None:
        if world.links == 2:
            world.reply(pong(plain) if plain["op"] == "ping" else found())
        elif plain["op"] == "everything":
            world.reply(told(1), 0.5)

    world = World(node)
    world.run(EVERYTHING)
    assert world.count("everything") == 2
    assert 103 < world.now < 105


def test_a_probe_whose_answer_comes_after_progress_is_passed_over():
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "everything":
            world.reply(told(1), 1.5)
            world.reply(found(), 3.4)
        elif world.count("ping") == 2:
            # Of another run, which would mean that the request is lost.
            world.reply(pong(plain, "second"), 1.4)
        else:
            world.reply(pong(plain))

    world = World(node)
    world.run(EVERYTHING)
    assert world.count("everything") == 1


def test_progress_nobody_asked_for_is_dropped():
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "segment":
            world.reply(told(1))
            world.reply(masks(), 0.1)

    assert isinstance(World(node).run(SEGMENT).reply, replies.Masks)


def test_progress_in_a_pause_is_no_answer():
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "everything":
            if world.count("everything") == 1:
                world.reply(failure("busy"))
                world.reply(told(1), 0.02)
            else:
                world.reply(found())

    world = World(node)
    assert isinstance(world.run(EVERYTHING).reply, replies.FoundMasks)
    assert world.count("everything") == 2


def test_whoever_fails_to_listen_has_the_request_cancelled():
    def node(world: World, plain: dict) -> None:
        if plain["op"] == "everything":
            world.reply(told(4))

    def listen(progress: replies.Progress) -> None:
        raise LookupError(f"heard {progress.done}")

    world = World(node)
    with pytest.raises(LookupError, match="heard 4"):
        world.run(EVERYTHING, progress=listen)
    assert (world.sent[-1]["op"], world.sent[-1]["target"]) == ("cancel", "mine")


def test_progress_that_breaks_the_contract():
    plain = {"maskbus": "1.2", "id": "mine", "reply": "progress", "done": "half"}

    def node(world: World, asked: dict) -> None:
        if asked["op"] == "everything":
            world.raw([b"", msgpack.packb(plain)])

    world = World(node)
    with pytest.raises(ProtocolError, match=r"wire contract.*done"):
        world.run(EVERYTHING, progress=lambda progress: None)
    assert world.sent[-1]["op"] == "cancel"


def test_one_kind_of_answer_does_not_pass_for_another():
    with pytest.raises(ProtocolError, match="FoundMasks where Masks"):
        expect(Incoming(found(), ()), replies.Masks)
    with pytest.raises(ProtocolError, match="Masks where FoundMasks"):
        expect(Incoming(masks(), ()), replies.FoundMasks)


def test_deadlines_of_a_client():
    assert Policy().everything_deadline == 600
    policy = Policy(retries=1).with_deadline(None)
    assert (policy.deadline, policy.everything_deadline, policy.retries) == (30, 600, 1)
    policy = Policy(retries=1).with_deadline(5)
    assert (policy.deadline, policy.everything_deadline, policy.retries) == (5, 5, 1)
    with pytest.raises(ValueError, match="deadline"):
        Policy().with_deadline(0)


def test_too_many_attachments_are_garbage():
    assert isinstance(Link().open([b"", b"\x80", *[b""] * 70_000]), Garbage)
