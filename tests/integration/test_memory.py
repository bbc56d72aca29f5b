"""Memory that is bounded: many pictures in a row, embeddings and images that grow old, pictures embedded together."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from maskbus.interfaces import ModelInfo
from maskbus.testing import node
from maskbus_wire import replies
from maskbus_wire.prompts import Image
from maskbus_wire.requests import Embed, Stats
from support.models import PATIENCE_S, Bright
from support.nodes import LiveNode, live_node
from support.peer import TINY, Peer, raw, segment
from support.waiting import until

MIB = 1024 * 1024
EMBEDDING = 4 * MIB
SOURCE = f"""
import numpy as np
from maskbus.interfaces import Handler, Masks, ModelInfo

class Heavy(Handler):
    info = ModelInfo(title="Heavy", prompts=frozenset({{"none"}}), licence="MIT")

    def embed(self, images, job):
        return [np.full({EMBEDDING}, image.pixels[0, 0, 0], np.uint8) for image in images]

    def decode(self, embedding, prompt, options, job):
        return Masks.none(8, 8)
"""


@pytest.fixture
def heavy(tmp_path, monkeypatch) -> Iterator[LiveNode]:
    (tmp_path / "heavy_plugin.py").write_text(SOURCE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with live_node(
        model={"heavy": {"handler": "heavy_plugin:Heavy"}},
        models=["heavy"],
        default_model="heavy",
        embedding_bytes=16 * EMBEDDING,
        kept_bytes=4 * MIB,
        heartbeat_s=0.05,
    ) as made:
        yield made


def picture(i):
    """Return a picture that no other number has."""
    return np.frombuffer(i.to_bytes(8, "little") * 24, np.uint8).reshape(8, 8, 3)


def settled(running: LiveNode, misses: int) -> replies.WorkerStats:
    """Return what the worker says of itself once it has counted so many embeddings."""
    until(lambda: running.worker("heavy").cache_misses == misses, f"never counted {misses} embeddings")
    return running.worker("heavy")


def test_a_thousand_pictures_in_a_row(heavy):
    with heavy.peer() as peer:

        def send(numbers):
            names = []
            for i in numbers:
                reply = peer.ask(Embed(image=raw(picture(i))), picture(i))
                assert isinstance(reply, replies.Embedded), reply
                names.append(reply.image_id)
            return names

        first = send(range(100))[0]
        before, shared = settled(heavy, 100), heavy.stats().shm_bytes
        last = send(range(100, 1000))[-1]
        after = settled(heavy, 1000)
        assert (after.cache_entries, after.cache_bytes) == (16, 16 * EMBEDDING)
        assert after.cache_evictions == 1000 - 16
        assert after.rss_bytes < before.rss_bytes + 2 * EMBEDDING
        assert heavy.stats().shm_bytes <= shared
        assert peer.ask(segment("heavy", image=Image(image_id=first))).code == "image_expired"
        assert peer.ask(segment("heavy", image=Image(image_id=last))).cached


def test_what_nobody_uses_goes():
    ages = {"embedding_ttl_s": 0.2, "kept_ttl_s": 0.2, "heartbeat_s": 0.02}
    with node({"bright": Bright}, **ages) as running, Peer(running.context, running.endpoint) as peer:
        kept = peer.ask(Embed(image=raw()), TINY)

        def emptied():
            stats = peer.ask(Stats())
            return (stats.images, stats.shm_used_bytes, stats.workers[0].cache_bytes) == (0, 0, 0)

        until(emptied, "what nobody uses stays")
        assert peer.ask(Stats()).workers[0].cache_evictions == 1
        assert peer.ask(segment("bright", image=Image(image_id=kept.image_id))).code == "image_expired"


def test_pictures_of_several_clients_are_embedded_together():
    sizes, entered, opened = [], threading.Event(), threading.Event()

    class Batching(Bright):
        info = ModelInfo(title="x", prompts=frozenset({"none"}), licence="MIT", batch=3)

        def embed(self, images, job):
            sizes.append(len(images))
            if len(sizes) == 2:
                entered.set()
                assert opened.wait(PATIENCE_S)
            return super().embed(images, job)

    def shade(value):
        return np.full((6, 7, 3), value, np.uint8)

    damaged = cv2.imencode(".jpg", shade(150))[1].tobytes()[:-2]
    with node({"batching": Batching}) as running, Peer(running.context, running.endpoint) as peer:

        def send(name, value):
            peer.send(segment("batching", image=raw(shade(value)), id=name), shade(value))

        send("first", 1)  # now the size of an embedding is known
        assert not peer.receive()[0].cached
        send("0", 0)
        assert entered.wait(PATIENCE_S)
        send("1", 100)
        peer.send(segment("batching", image=Image(encoding="jpeg", attachment=0), id="2"), damaged)
        send("3", 200)
        send("4", 250)
        with Peer(running.context, running.endpoint) as other:
            until(lambda: sum(other.ask(Stats()).models[0].queued.values()) == 4, "they never waited")
        opened.set()
        got = [peer.receive()[0] for _ in range(5)]
    assert [reply.id for reply in got] == ["0", "1", "2", "3", "4"]
    assert got.pop(2).code == "invalid_image"
    assert [sum(mask.area for mask in reply.masks) for reply in got] == [0, 0, 42, 42]
    assert [reply.cached for reply in got] == [False, False, True, False]
    assert sizes == [1, 1, 2, 1]
