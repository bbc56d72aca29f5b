"""Topics: who gets what, in which encoding, and what it costs when nobody does."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import psutil
import pytest

from maskbus.handlers.echo import EchoHandler
from maskbus.testing import node
from maskbus.worker import answer
from maskbus_wire import png, replies, rle
from maskbus_wire.prompts import MaskPrompt, Prompt
from maskbus_wire.requests import Segment, Stats
from support.models import Gate
from support.peer import TINY, Peer, raw, segment
from support.subscriber import Subscriber

TCP = {"bind": ["tcp://127.0.0.1:*"], "publish": ["tcp://127.0.0.1:*"]}
BOX = (1, 1, 4, 3)
TRUTH = np.zeros((4, 5), np.bool_)
TRUTH[1:3, 1:4] = True


@pytest.fixture(params=["inproc", "tcp"])
def running(request):
    with node({"echo": EchoHandler}, **(TCP if request.param == "tcp" else {})) as made:
        yield made


@pytest.fixture
def peer(running):
    with Peer(running.context, running.endpoint) as made:
        yield made


@pytest.fixture
def subscriber(running):
    with Subscriber(running.context, running.publish_endpoint) as made:
        yield made


@pytest.fixture
def made(monkeypatch):
    """Count what is encoded; workers are threads of this process here."""
    counts: Counter[str] = Counter()

    def counted(name, real):
        return lambda *arguments, **named: counts.update([name]) or real(*arguments, **named)

    for name, real in list(answer._BLOBS.items()):
        monkeypatch.setitem(answer._BLOBS, name, counted(name, real))
    for module, name in ((rle, "encode_window"), (answer.polygon, "encode"), (answer.label_map, "encode_windows")):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, counted(module.__name__.rpartition(".")[2], real))
    return counts


def publish(peer, topic="masks/front", **fields):
    reply = peer.ask(segment(box=BOX, publish=topic, **fields), TINY)
    assert isinstance(reply, replies.Masks), reply
    return reply


def published(peer):
    return {stats.topic: stats.published for stats in peer.ask(Stats()).topics if not stats.topic.startswith("~")}


def test_what_nobody_subscribes_to_is_not_encoded(peer, made):
    publish(peer, encodings=["bits"])
    publish(peer, encodings=[])
    assert made == {"bits": 1}
    assert published(peer) == {"masks/front": 0}


def test_requester_and_subscribers_each_get_their_own_encoding(peer, subscriber, made):
    subscriber.subscribe_and_settle(peer, "masks/", "png:masks/")
    made.clear()
    reply = publish(peer, encodings=["rle"], id="secret", seq=5, stamp=7, frame_id="camera")
    assert np.array_equal(rle.decode(reply.masks[0].rle.counts, 4, 5), TRUTH)
    assert (reply.masks[0].png, reply.topic, reply.published) == (None, None, None)
    first, second = subscriber.receive(), subscriber.receive()
    assert [first[0], second[0]] == ["masks/front", "png:masks/front"]
    assert np.array_equal(rle.decode(first[1].masks[0].rle.counts, 4, 5), TRUTH)
    assert first[1].masks[0].png is None
    assert second[1].masks[0].rle is None
    assert np.array_equal(png.decode_mask(second[2][second[1].masks[0].png.attachment], 4, 5), TRUTH)
    for _, message, _ in (first, second):
        assert (message.topic, message.seq, message.stamp, message.frame_id) == ("masks/front", 5, 7, "camera")
        assert (message.id, message.image_id, message.retained) == ("", None, False)
    assert first[1].published == second[1].published
    assert made == {"rle": 1, "png": 1}
    assert published(peer) == {"masks/front": 1, "png:masks/front": 1}


@pytest.mark.parametrize("prefix", ["", "m", "masks/", "masks/front"])
def test_prefixes(peer, subscriber, prefix):
    subscriber.subscribe_and_settle(peer, prefix)
    publish(peer, "other/front")
    publish(peer, "masks/front")
    topics = [subscriber.receive()[0] for _ in range(2 if prefix == "" else 1)]
    assert topics[-1] == "masks/front"


def test_prefix_of_another_topic(peer, subscriber, made):
    subscriber.subscribe_and_settle(peer, "masks/front/left", "png:masks/rear")
    made.clear()
    publish(peer, encodings=[])
    assert not made
    assert subscriber.quiet()


def test_late_joiner_gets_the_last_value(peer, subscriber):
    for seq in range(3):
        last = publish(peer, seq=seq, encodings=["bits"], id="secret")
    ((topic, message, attachments),) = subscriber.subscribe_and_settle(peer, "masks/front")
    assert (topic, message.topic, message.seq, message.retained) == ("masks/front", "masks/front", 2, True)
    assert message.masks[0].area == last.masks[0].area
    assert (message.id, len(attachments)) == ("", 1)
    publish(peer, seq=3)
    _, fresh, _ = subscriber.receive()
    assert (fresh.seq, fresh.retained) == (3, False)
    assert fresh.published > message.published


def test_second_joiner_gets_the_last_value_in_the_chosen_encoding(running, peer, subscriber):
    subscriber.subscribe_and_settle(peer, "png:masks/front")
    publish(peer)
    number = subscriber.receive()[1].published
    with Subscriber(running.context, running.publish_endpoint) as second:
        ((topic, message, _),) = second.subscribe_and_settle(peer, "png:masks/")
        assert (topic, message.published, message.retained) == ("png:masks/front", number, True)


def test_subscriber_that_comes_while_the_model_works():
    gate = Gate()
    with (
        node({"gated": gate.handler, "echo": EchoHandler}) as running,
        Peer(running.context, running.endpoint) as peer,
        Subscriber(running.context, running.publish_endpoint) as subscriber,
    ):
        try:
            peer.send(segment("gated", publish="masks/front", seq=1), TINY)
            gate.wait_until_entered()
            with Peer(running.context, running.endpoint) as other:
                assert subscriber.subscribe_and_settle(other, "masks/front") == []
        finally:
            gate.open()
        topic, message, _ = subscriber.receive()
        assert (topic, message.topic, message.seq, message.retained) == ("masks/front", "masks/front", 1, False)


def test_encoding_that_the_model_has_not():
    class Plain(EchoHandler):
        info = type(EchoHandler.info)(title="x", prompts=frozenset({"none"}), licence="MIT", has_logits=False)

    with (
        node({"echo": Plain}) as other,
        Peer(other.context, other.endpoint) as asking,
        Subscriber(other.context, other.publish_endpoint) as looking,
    ):
        looking.subscribe_and_settle(asking, "logits:masks/", "bits:masks/")
        assert isinstance(asking.ask(segment(publish="masks/front"), TINY), replies.Masks)
        assert looking.receive()[0] == "bits:masks/front"
        assert looking.quiet()


def test_nothing_is_sent_after_unsubscribing(peer, subscriber, made):
    subscriber.subscribe_and_settle(peer, "png:masks/")
    subscriber.socket.unsubscribe(b"png:masks/")
    subscriber.subscribe_and_settle(peer)
    made.clear()
    publish(peer, encodings=[])
    assert not made
    assert subscriber.quiet()


def test_errors_are_not_published(peer, subscriber):
    subscriber.subscribe_and_settle(peer, "")
    reply = peer.ask(segment(publish="masks/front", box=(0, 0, 100, 1)), TINY)
    assert isinstance(reply, replies.Error)
    for topic in ("", "png:masks", ":"):
        assert peer.ask(segment(publish=topic), TINY).path == "publish"
    assert subscriber.quiet()
    assert published(peer) == {}


def test_large_header_of_a_last_value_does_not_harm_the_node(running, peer, subscriber):
    """Polygons of a ragged mask: more values than a request may have."""
    ragged = np.zeros((400, 400), np.uint8)
    ragged[::2, ::2] = 1
    request = Segment(
        image=raw(np.zeros((400, 400, 3), np.uint8)),
        model="echo",
        prompt=Prompt(mask=MaskPrompt(encoding="raw", attachment=1)),
        encodings=["polygon"],
        publish="masks/front",
    )
    peer.send(request, bytes(480_000), ragged.tobytes())
    assert len(peer.socket.recv_multipart()) == 2
    subscriber.subscribe("masks/front")
    topic, _ = subscriber.socket.recv_multipart()
    assert topic == b"masks/front"
    publish(peer)


def test_slow_subscriber_neither_stalls_the_node_nor_fills_its_memory():
    picture = np.zeros((1000, 1000), np.uint8)
    image = raw(picture, encoding="mono8", height=1000, width=1000)
    with (
        node({"echo": EchoHandler}, **TCP, topic_bytes=2_000_000) as running,
        Peer(running.context, running.endpoint) as peer,
        Subscriber(running.context, running.publish_endpoint, rcvhwm=1, rcvbuf=100_000) as slow,
        Subscriber(running.context, running.publish_endpoint) as quick,
    ):
        slow.subscribe_and_settle(peer, "raw:masks/")
        quick.subscribe_and_settle(peer, "masks/")
        process = psutil.Process(os.getpid())

        def ask(seq):
            request = segment(image=image, box=(0, 0, 900, 900), publish="masks/front", encodings=[], seq=seq)
            reply = peer.ask(request, picture)
            assert isinstance(reply, replies.Masks), reply
            assert quick.receive()[1].seq == seq

        for seq in range(80):
            ask(seq)
        before = process.memory_info().rss
        for seq in range(80, 480):
            ask(seq)
        assert process.memory_info().rss - before < 60_000_000  # 400 MB were published meanwhile
        assert published(peer) == {"masks/front": 480, "raw:masks/front": 480}
        assert slow.receive()[1].seq == 0
