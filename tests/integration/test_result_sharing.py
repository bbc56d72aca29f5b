"""Nodes that share a redis for their answers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from maskbus.results import StoreError
from maskbus.testing import node
from maskbus_wire import replies
from maskbus_wire.prompts import Prompt
from maskbus_wire.requests import Segment
from support import waiting
from support.nodes import live_node
from support.peer import TINY, Peer, raw
from support.questions import Counting, ask, cache, question
from support.redis_server import RedisServer, redis_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as made:
        yield made


def test_two_nodes_share_what_either_has_computed(server: RedisServer) -> None:
    shared = {"cache": "redis", "redis_url": server.url}
    with (
        node({"counting": Counting}, **shared) as one,
        node({"counting": Counting}, **shared) as other,
        Peer(one.context, one.endpoint) as mine,
        Peer(other.context, other.endpoint) as others,
    ):
        ask(others, question(prompt=Prompt(points=[(3, 3)])))  # its model is there now
        first, data = ask(mine, question(id="first", encodings=["rle", "bits"]))
        waiting.until(lambda: cache(mine).stored == 1, "it was never written")
        waiting.until(lambda: cache(others).stored == 1, "it was never written")
        second, again = ask(others, question(id="second", encodings=["rle", "bits"]))
        assert (first.reused, second.reused, second.id) == (False, True, "second")
        assert (second.masks, again) == (first.masks, data)
        assert (cache(mine).store, cache(others).hits, cache(others).errors) == ("redis", 1, 0)


def test_a_model_that_is_configured_otherwise_is_another_model(server: RedisServer) -> None:
    reused = []
    for conf in (0.4, 0.5, 0.4):
        with (
            node(
                {"counting": Counting},
                cache="redis",
                redis_url=server.url,
                model={"counting": {"options": {"conf": conf}}},
            ) as running,
            Peer(running.context, running.endpoint) as peer,
        ):
            ask(peer, question(prompt=Prompt(points=[(3, 3)]), fresh=True))  # its model is there now
            reply, _ = ask(peer, question())
            reused.append(reply.reused)
            waiting.until(lambda stored=2 - reply.reused: cache(peer).stored == stored, "it was never written")
    assert reused == [False, False, True]


def test_every_request_is_answered_though_redis_goes(server: RedisServer) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    with (
        live_node(
            models=["grabcut"], default_model="grabcut", preload=["grabcut"], cache="redis", redis_url=server.url
        ) as running,
        running.peer() as peer,
    ):
        events: dict[int, Callable[[], None]] = {
            8: server.kill,
            16: server.start,
            24: server.stop,
            32: server.go_on,
            36: server.kill,
        }
        for i in range(40):
            events.get(i, lambda: None)()
            box = (rng.randrange(2), rng.randrange(2), 4, 4)
            peer.send(Segment(id=str(i), image=raw(), prompt=Prompt(boxes=[box])), TINY)
            reply, _ = peer.receive()
            assert isinstance(reply, replies.Masks), reply
            assert reply.id == str(i)
        assert peer.quiet()
        stats = cache(peer)
        assert stats.hits + stats.misses in (39, 40)  # the model may have been loading still
        assert stats.errors > 0


def test_a_url_that_is_none_keeps_the_node_from_starting() -> None:
    with pytest.raises(StoreError, match="redis_url"), node(cache="redis", redis_url="http://127.0.0.1"):
        pass
