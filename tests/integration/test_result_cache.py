"""The same question twice at one node."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from maskbus.handlers.echo import EchoHandler
from maskbus.interfaces import ModelInfo
from maskbus.testing import node
from maskbus_wire import replies
from maskbus_wire.prompts import Image, Prompt
from maskbus_wire.replies import Timings
from maskbus_wire.requests import Everything, PostProcessing, Segment
from support import waiting
from support.models import Gate
from support.peer import TINY, Peer, raw
from support.questions import Counting, ask, cache, question

OTHER = TINY[::-1].copy()
LARGE = np.kron(TINY, np.ones((100, 100, 1), np.uint8))


class Undecided(Counting):
    info = ModelInfo(title="Undecided", prompts=frozenset({"none", "points"}), licence="MIT", cache_results=False)


@pytest.fixture(autouse=True)
def _count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "decodes", 0)


@pytest.mark.parametrize("encodings", [["rle"], ["bits+zlib", "png", "polygon"], ["labels", "overlay"], []])
def test_the_same_question_has_the_same_answer(encodings: list[Any]) -> None:
    with node({"counting": Counting}) as running, Peer(running.context, running.endpoint) as peer:
        names = {"stamp": 1, "frame_id": "left", "stream": "a", "seq": 5}
        first, data = ask(peer, question(id="first", encodings=encodings, **names))
        names = {"stamp": 2, "frame_id": "right", "stream": "b"}
        second, again = ask(peer, question(id="second", encodings=encodings, **names))
        assert (first.reused, second.reused) == (False, True)
        assert (second.masks, second.encodings, second.labels, second.overlay) == (
            first.masks,
            first.encodings,
            first.labels,
            first.overlay,
        )
        assert again == data
        assert (second.id, second.stamp, second.frame_id, second.stream, second.seq) == (
            "second",
            2,
            "right",
            "b",
            None,
        )
        assert (second.model, second.width, second.height) == ("counting", 5, 4)
        assert second.timings == Timings(total_ms=second.timings.total_ms)
        assert Counting.decodes == 1
        stats = cache(peer)
        assert (stats.store, stats.hits, stats.stored, stats.entries, stats.errors) == ("memory", 1, 1, 1, 0)
        assert stats.bytes > 0


@pytest.mark.parametrize(
    ("change", "pixels"),
    [
        ({"prompt": Prompt(points=[(2.5, 1.5)])}, TINY),
        ({"prompt": Prompt(points=[(1.5, 1.5)], labels=[0])}, TINY),
        ({"prompt": Prompt()}, TINY),
        ({"multimask": True}, TINY),
        ({"encodings": ["bits"]}, TINY),
        ({"encodings": ["rle", "bits"]}, TINY),
        ({"inline": True}, TINY),
        ({"options": {"level": 1}}, TINY),
        ({"post": PostProcessing(min_area=1)}, TINY),
        ({"max_side": 64}, TINY),
        ({"model": "another"}, TINY),
        ({}, OTHER),
        ({"image": raw(encoding="bgr8")}, TINY),
        ({"image": raw(TINY.reshape(5, 4, 3))}, TINY),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_another_question_has_its_own(change: dict[str, Any], pixels: np.ndarray) -> None:
    with (
        node({"counting": Counting, "another": Counting}, preload=["counting", "another"]) as running,
        Peer(running.context, running.endpoint) as peer,
    ):
        ask(peer, question())
        assert not ask(peer, question(**change), pixels)[0].reused
        assert ask(peer, question())[0].reused
        assert ask(peer, question(**change), pixels)[0].reused
        assert cache(peer).hits == 2


def test_what_is_said_otherwise_is_the_same_question() -> None:
    with node({"counting": Counting}) as running, Peer(running.context, running.endpoint) as peer:
        ask(peer, question(options={"a": 1, "b": [1, 2]}))
        same = question(model="", lane="batch", deadline_ms=5000, options={"b": [1, 2], "a": 1})
        assert ask(peer, same)[0].reused
        assert not ask(peer, question(options={"a": 1.0, "b": [1, 2]}))[0].reused
        assert not ask(peer, question(options={"a": True, "b": [1, 2]}))[0].reused


def test_everything_is_kept_unless_its_progress_is_told() -> None:
    with node({"counting": Counting}) as running, Peer(running.context, running.endpoint) as peer:
        request = Everything(image=raw(), model="counting")
        first, data = ask(peer, request)
        second, again = ask(peer, request)
        assert (first.reused, second.reused, second.masks, again) == (False, True, first.masks, data)
        assert isinstance(second, replies.FoundMasks)
        assert not ask(peer, Everything(image=raw(), model="counting", preset="fast"))[0].reused
        peer.send(Everything(image=raw(), model="counting", progress=True), TINY)
        while isinstance(reply := peer.receive()[0], replies.Progress):
            pass
        assert isinstance(reply, replies.FoundMasks)
        assert not reply.reused


def test_fresh_is_computed_and_takes_the_place_of_what_was_kept() -> None:
    with node({"counting": Counting}) as running, Peer(running.context, running.endpoint) as peer:
        ask(peer, question())
        assert not ask(peer, question(fresh=True))[0].reused
        assert Counting.decodes == 2
        assert ask(peer, question())[0].reused
        assert (cache(peer).hits, cache(peer).stored, cache(peer).entries) == (1, 2, 1)


def test_an_image_is_kept_for_who_asks_though_its_answer_was_there() -> None:
    with node({"counting": Counting}) as running, running.client() as client:
        point = {"points": (1.5, 1.5)}
        client.segment(TINY, **point)
        result = client.segment(TINY, keep=True, **point)
        assert result.reused
        held = result.reply.image_id
        assert held
        with Peer(running.context, running.endpoint) as peer:
            other = peer.ask(Segment(image=Image(image_id=held), prompt=Prompt(points=[(2.5, 2.5)])))
            assert isinstance(other, replies.Masks)
            assert not other.reused
            again = peer.ask(Segment(image=Image(image_id=held), prompt=Prompt(points=[(1.5, 1.5)])))
            assert isinstance(again, replies.Masks)
            assert (again.reused, again.image_id) == (True, held)


def test_what_is_never_kept() -> None:
    handlers = {"counting": Counting, "undecided": Undecided, "echo": EchoHandler}
    with (
        node(handlers, preload=list(handlers)) as running,
        Peer(running.context, running.endpoint) as peer,
        running.client(shared_memory=True) as sharing,
    ):
        for _ in range(2):
            assert not ask(peer, question(publish="masks"))[0].reused
            assert not ask(peer, question(model="undecided"))[0].reused
            assert not ask(peer, question(model="echo"))[0].reused
            assert not sharing.segment(LARGE, points=(1.5, 1.5)).reused
        stats = cache(peer)
        assert (stats.hits, stats.misses, stats.stored, stats.entries) == (0, 0, 0, 0)


def test_frames_of_streams_are_looked_at_each() -> None:
    with (
        node({"counting": Counting}) as running,
        running.client() as client,
        client.stream("front", points=(1, 1), policy="every", always=True) as stream,
    ):
        for seq in range(3):
            stream.send(TINY, seq=seq)
        waiting.until(lambda: Counting.decodes == 3, "not every frame was looked at")
        with Peer(running.context, running.endpoint) as peer:
            assert cache(peer).stored == 0


def test_without_a_cache_each_is_computed() -> None:
    with node({"counting": Counting}, cache="none") as running, Peer(running.context, running.endpoint) as peer:
        for _ in range(3):
            assert not ask(peer, question())[0].reused
        assert Counting.decodes == 3
        assert cache(peer).store == "none"


def test_an_answer_that_is_too_old_is_computed_again() -> None:
    with node({"counting": Counting}, cache_ttl_s=0.05) as running, Peer(running.context, running.endpoint) as peer:
        ask(peer, question())
        waiting.until(lambda: cache(peer).entries == 0, "it never went")
        assert not ask(peer, question())[0].reused
        assert cache(peer).evictions >= 1


def test_the_cache_does_not_wait_for_a_busy_model() -> None:
    gate = Gate()

    class Gated(gate.handler):  # type: ignore[name-defined,misc]
        info = ModelInfo(title="Gated", prompts=EchoHandler.info.prompts, licence="MIT")

    try:
        with node({"counting": Gated}) as running, Peer(running.context, running.endpoint) as peer:
            gate.open()
            ask(peer, question(id="first"))
            gate.opened.clear()
            gate.wait_until_entered()
            peer.send(question(id="slow", prompt=Prompt(points=[(3, 3)])), TINY)
            gate.wait_until_entered()
            reply, _ = ask(peer, question(id="same"))
            assert (reply.id, reply.reused) == ("same", True)
            gate.open()
            assert peer.receive()[0].id == "slow"
    finally:
        gate.open()
