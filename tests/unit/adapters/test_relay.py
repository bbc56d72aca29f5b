"""Between the slots and a node that answers what the test wants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from maskbus.adapters.mailbox import Mailbox
from maskbus.adapters.relay import Relay
from maskbus_wire import frames
from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.replies import Error, Masks, Pong, Progress
from maskbus_wire.requests import Ping
from support.parents import Mapped, message


class FakeBell:
    address = "nowhere"
    pollable = None

    def __init__(self) -> None:
        self.rings: list[int | None] = []
        self.rung: list[int] = []

    def hear(self) -> list[int | None]:
        taken, self.rings = self.rings, []
        return taken

    def ring(self, generation: int) -> None:
        self.rung.append(generation)

    def close(self) -> None: ...


class Desk:
    """Everything round a relay."""

    def __init__(self, directory: Path, context: zmq.Context) -> None:
        self.mailbox = Mailbox(directory, 4096, DEFAULT_LIMITS)
        self.parent = Mapped(self.mailbox.file.path)
        self.bell = FakeBell()
        self.node = context.socket(zmq.ROUTER)
        self.node.rcvtimeo = 5000
        self.node.bind("inproc://node")
        dealer = context.socket(zmq.DEALER)
        dealer.connect("inproc://node")
        self.dealer = dealer
        self.relay = Relay(self.mailbox, self.bell, dealer)

    def ask(self, data: bytes, **fields: int) -> None:
        self.bell.rings.append(self.parent.write(data, **fields))
        self.relay.heard()

    def answer(self, *reply: Any) -> None:
        identity = self.node.recv_multipart()[0]
        self.node.send_multipart([identity, b"", *reply])
        assert self.dealer.poll(5000)
        self.relay.answered()

    def reply(self) -> Any:
        _, parts = self.parent.read()
        return frames.decode_reply(frames.open_header(parts, DEFAULT_LIMITS)[0])

    def close(self) -> None:
        self.parent.close()
        self.mailbox.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    context: zmq.Context = zmq.Context()
    made = Desk(tmp_path, context)
    yield made
    made.close()
    context.destroy(linger=0)


PONG = frames.encode(Pong(id="7", node="n", version="1", uptime_s=0.0, endpoints=[], publish_endpoints=[]))


def test_frames_go_through_as_they_are(desk: Desk) -> None:
    big = bytes(range(256)) * 8
    desk.ask(message(Ping(id="7"), b"", b"small", big))
    assert desk.relay.under_way
    _, delimiter, head, *attachments = desk.node.recv_multipart()
    assert delimiter == b""
    assert [head] == frames.encode(Ping(id="7"))
    assert attachments == [b"", b"small", big]
    desk.dealer.send_multipart([b"", b"again"])
    desk.answer(*PONG)
    assert not desk.relay.under_way
    assert desk.bell.rung == [2]
    assert desk.reply().id == "7"


def test_a_ring_while_a_request_is_under_way_is_ignored(desk: Desk) -> None:
    desk.ask(message(Ping(id="7")))
    desk.bell.rings.append(2)
    desk.relay.heard()
    desk.answer(*PONG)
    assert desk.bell.rung == [2]
    assert not desk.node.poll(50)


def test_progress_is_not_for_a_parent_that_waits_for_one_reply(desk: Desk) -> None:
    desk.ask(message(Ping(id="7")))
    identity = desk.node.recv_multipart()[0]
    told = frames.encode(Progress(id="7", done=1, total=2, found=0))
    for reply in (told, told, PONG):
        desk.node.send_multipart([identity, b"", *reply])
    while desk.relay.under_way:
        assert desk.dealer.poll(5000)
        desk.relay.answered()
    assert desk.bell.rung == [2]
    assert isinstance(desk.reply(), Pong)


def test_no_message_is_answered_without_the_node(desk: Desk) -> None:
    desk.ask(b"\xff" * 100)
    assert not desk.relay.under_way
    reply = desk.reply()
    assert isinstance(reply, Error)
    assert (reply.code, reply.path, reply.id) == ("malformed", "", "")
    assert desk.bell.rung == [2]
    assert not desk.node.poll(50)
    desk.ask(message(Ping(id="7")))
    desk.answer(*PONG)
    assert desk.bell.rung == [2, 4]


def test_a_reply_that_does_not_fit_is_an_error_of_the_same_request(desk: Desk) -> None:
    desk.ask(message(Ping(id="7")))
    masks = Masks(id="7", model="m", width=1, height=1, masks=[], stamp=-5, frame_id="f", stream="s", seq=9)
    desk.answer(*frames.encode(masks, [bytes(5000)]))
    reply = desk.reply()
    assert isinstance(reply, Error)
    assert (reply.code, reply.path, reply.id) == ("too_large", "encodings", "7")
    assert (reply.stamp, reply.frame_id, reply.stream, reply.seq) == (-5, "f", "s", 9)
    assert "--mapping" in reply.message
