"""Workers are killed while routes are under way: everybody gets one answer, and nothing is left behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from maskbus_client import Client
from maskbus_wire.prompts import Prompt
from maskbus_wire.replies import Error, Masks
from maskbus_wire.requests import Cancel, Route
from support.cpp import binary
from support.nodes import LiveNode, live_node
from support.peer import TINY, segment
from support.waiting import until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")

SEED = 2207
MOST = 4
"""Workers that are killed in one test: each takes its time to be there again."""
FRAGILE = ("fragile", "other")
WAY = [*FRAGILE, "echo"]
SETTINGS = {
    "models": ["echo", *FRAGILE],
    "model": {name: {"handler": "failing"} for name in FRAGILE},
    "route": {"way": {"models": WAY}},
    "breaker_failures": 1000,
    "backoff_s": 0.02,
    "backoff_most_s": 0.02,
    "hang_grace_s": 0.2,
    "queue_length": 100,
    "cache_bytes": 1 << 20,
}
POINT = Prompt(points=[(2, 2)])


@pytest.fixture(scope="module")
def node() -> Iterator[LiveNode]:
    with live_node(**SETTINGS) as node:
        yield node


@contextmanager
def killing(node: LiveNode) -> Iterator[Counter[str]]:
    """Kill workers of the fragile models at work, a few times; count how many of which."""
    over, killed = threading.Event(), Counter[str]()

    def kill() -> None:
        while not over.wait(0.02):
            for worker in node.stats().workers:
                if worker.model in FRAGILE and worker.state == "busy" and killed.total() < MOST:
                    os.kill(worker.pid, signal.SIGKILL)
                    killed[worker.model] += 1

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def assert_nothing_is_left(node: LiveNode) -> None:
    def clean() -> bool:
        stats = node.stats()
        return not any(model.running or model.queued for model in stats.models) and stats.shm_used_bytes == 0

    until(clean, "no request is under way, and no shared memory is in use")


def test_each_of_many_requests_is_answered_once(node: LiveNode) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    wanted = {f"r{number}" for number in range(30)}
    answers: list[Masks | Error] = []
    with node.peer() as peer, killing(node) as killed:
        for name in sorted(wanted):
            how = chance.choice([{}, {"work": 0.05}, {"raise": "no luck"}, {"hang": 0.3}])
            route = chance.choice([None, Route(share=0.05), Route(min_predicted_iou=0.99)])
            deadline = chance.choice([None, 20_000, 400])
            fields = {"route": route, "deadline_ms": deadline, "fresh": chance.random() < 0.7}
            peer.send(segment("way", id=name, prompt=POINT, options=how, **fields), TINY)
            if chance.random() < 0.1:
                peer.send(Cancel(id="cancel", target=name))
        while {answer.id for answer in answers} != wanted:
            reply, _ = peer.receive()
            if reply.id != "cancel":
                answers.append(reply)
        assert peer.quiet()
    assert len(answers) == len(wanted)
    for answer in answers:
        tried = [attempt.model for attempt in answer.tried]
        if isinstance(answer, Masks):
            assert answer.model not in tried
            assert answer.masks[0].area == 9
        else:
            assert answer.code in {"cancelled", "deadline_exceeded"}, answer
        assert tried == [model for model in WAY if model in tried]
    assert killed
    assert_nothing_is_left(node)


def test_clients_of_both_languages_are_answered_by_whoever_lives(node: LiveNode, tmp_path: Path) -> None:
    pixels = np.random.default_rng(SEED).integers(0, 255, (200, 300, 3), np.uint8)
    photo = tmp_path / "photo.png"
    PIL.Image.fromarray(pixels).save(photo)

    def python(client: Client) -> None:
        for number in range(3):
            result = client.segment(pixels, points=(50, 60), model="way", options={"work": 0.02}, fresh=number % 2 == 0)
            assert result.model in WAY
            assert [one.model for one in result.tried] == WAY[: WAY.index(result.model)]
            assert result.masks[0].area == 9

    def cpp(number: int) -> None:
        out = tmp_path / f"{number}.png"
        command = [
            str(binary("segment_photo")),
            str(photo),
            "50,60",
            str(out),
            "--endpoint",
            node.tcp,
            "--model",
            "way",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert np.count_nonzero(np.asarray(PIL.Image.open(out))) == 9

    binary("segment_photo")
    with Client(node.tcp) as plain, Client(node.tcp, shared_memory=True) as shared:
        with killing(node) as killed, ThreadPoolExecutor(5) as pool:
            done = [pool.submit(python, client) for client in (plain, plain, shared)]
            done += [pool.submit(cpp, number) for number in range(2)]
            for one in done:
                one.result()
        assert killed
    assert_nothing_is_left(node)
    until(lambda: node.stats().leases == 0, "the shared memory of the clients is given back")


def test_a_node_that_stops_answers_the_best_it_has() -> None:
    with live_node(**SETTINGS, stop_timeout_s=0.2) as node, node.peer() as peer:
        nothing = Prompt(points=[(2, 2)], labels=[0])
        route = Route(models=["echo", "fragile"])
        peer.send(segment("", prompt=nothing, route=route, options={"work": 60}), TINY)
        until(
            lambda: "fragile" in {one.model for one in node.stats().workers if one.state == "busy"},
            "the second model is at work",
        )
        node.bus.stop()
        reply, _ = peer.receive()
    assert isinstance(reply, Masks)
    assert (reply.model, reply.masks[0].area) == ("echo", 0)
    assert [(one.model, one.code) for one in reply.tried] == [("fragile", "shutting_down")]
