"""C++ clients, nodes and workers killed at any moment while they share memory.

Nothing may leak, no mask may be wrong, and whoever is left goes on.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from maskbus_client import Client
from maskbus_wire.shared_layout import MAGIC
from support.cpp import binary
from support.processes import node_process
from support.waiting import until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
PATIENCE = 30.0
CLIENTS_KILLED = 120


class SharingClient:
    """Run `kill_sharing`, and read what it writes."""

    def __init__(self, command: list[str], file: Path) -> None:
        self._file = file
        self._process = subprocess.Popen([*command[:2], str(file), *command[2:]])

    @property
    def phase(self) -> str:
        """What it is doing, or was when it was killed: l(ease), w(rite), r(equest), v(erify)."""
        path = self._file.with_suffix(".phase")
        return path.read_text() if path.exists() else ""

    def said(self) -> list[str]:
        path = self._file.with_suffix(".log")
        text = path.read_text() if path.exists() else ""
        return text[: text.rfind("\n") + 1].splitlines()

    def frames(self) -> int:
        return sum(line.startswith("ok") for line in self.said())

    def has_begun(self) -> bool:
        return self.phase != ""

    def has_come_beyond(self, frames: int) -> bool:
        return self.frames() > frames

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> str:
        """Kill -9 it; return what it was doing."""
        assert self.is_alive(), self.said()
        self._process.kill()
        self._process.wait(PATIENCE)
        return self.phase

    def close(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)


class Nursery:
    """Start clients, and end those that are left."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._folder = folder
        self._rng = rng
        self._program = str(binary("kill_sharing"))
        self._numbers = itertools.count()
        self.all: list[SharingClient] = []

    def start(self, endpoint: str) -> SharingClient:
        seed, mode = str(self._rng.randrange(2**32)), self._rng.choice(["wait", "wait", "ahead"])
        client = SharingClient([self._program, endpoint, seed, mode], self._folder / str(next(self._numbers)))
        self.all.append(client)
        return client

    def words(self) -> Counter[str]:
        """Count what all clients have said, by the first two words."""
        return Counter(" ".join(line.split()[:2]) for client in self.all for line in client.said())

    def assert_nothing_bad(self) -> None:
        assert not [line for client in self.all for line in client.said() if not line.startswith(("ok", "error "))]

    def close(self) -> None:
        for client in self.all:
            client.close()


@pytest.fixture
def rng() -> random.Random:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


@pytest.fixture
def nursery(tmp_path: Path, rng: random.Random) -> Iterator[Nursery]:
    folder = tmp_path / "clients"
    folder.mkdir()
    made = Nursery(folder, rng)
    yield made
    made.close()


def assert_all_is_back(endpoint: str, images: Path) -> None:
    """Hold the node to having nothing of those who are gone."""
    with Client(endpoint, deadline=PATIENCE) as client:
        until(lambda: client.stats().leases == 0, "a lease outlives its client")
        assert client.stats().leased_bytes == 0
        until(lambda: client.stats().shm_used_bytes == 0, "a slot of the node's own outlives its request")
    for path in images.rglob("*"):
        assert not path.is_file() or path.read_bytes()[:8] != MAGIC, "a file of shared memory is left"


def assert_nothing_left(images: Path) -> None:
    """Hold a node that has ended to having left nothing but the lock that all nodes share."""
    assert [path.name for path in images.rglob("*")] == ["sweep.lock"]


def test_clients_killed_at_any_moment(nursery: Nursery, tmp_path: Path, rng: random.Random) -> None:
    images = tmp_path / "images"
    phases: Counter[str] = Counter()
    with node_process("--image-dir", str(images)) as node:
        survivor = nursery.start(node.endpoint)
        until(lambda: survivor.frames() > 0, "no mask came at all")
        for _ in range(CLIENTS_KILLED // 4):
            for client in [nursery.start(node.endpoint) for _ in range(4)]:
                until(client.has_begun, "a client did not begin")
                time.sleep(rng.uniform(0, 0.03))
                phases[client.kill()] += 1
        before = survivor.frames()
        until(lambda: survivor.frames() > before + 5, "the death of others keeps a client from going on")
        survivor.close()
        print(f"killed {dict(phases)}; {dict(nursery.words())}")
        nursery.assert_nothing_bad()
        assert sum(phases.values()) == CLIENTS_KILLED
        assert phases["w"] >= 5, phases
        assert phases["r"] >= 5, phases
        assert nursery.words()["ok"] > 20
        assert_all_is_back(node.endpoint, images)
        node.signal()
        assert node.wait() == 0
        assert_nothing_left(images)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def workers_of(endpoint: str) -> list[psutil.Process]:
    found = []
    with Client(endpoint) as client:
        for worker in client.stats().workers:
            with suppress(psutil.NoSuchProcess):
                found += [psutil.Process(worker.pid)] if worker.pid else []
    return found


def test_nodes_clients_and_workers_killed_at_any_moment(nursery: Nursery, tmp_path: Path, rng: random.Random) -> None:
    """Clients that are left find the next node by themselves, and share its memory."""
    images = tmp_path / "images"
    bind = f"tcp://127.0.0.1:{free_port()}"
    flags = ("--image-dir", str(images), "--heartbeat-s", "0.2", "--backoff-s", "0.05")
    killed: Counter[str] = Counter()
    with ExitStack() as stack:
        node = stack.enter_context(node_process(*flags, bind=bind))
        living = [nursery.start(bind) for _ in range(3)]

        def go_on(after: str) -> None:
            before = [client.frames() for client in living]
            for client, frames in zip(living, before, strict=True):
                until(partial(client.has_come_beyond, frames + 2), f"a client stays behind {after}")

        for what in rng.sample(["node", "both", "worker", "both", "worker", "node"], 6):
            go_on(f"when next is {what}; so far {dict(killed)}")
            time.sleep(rng.uniform(0, 0.05))
            if what == "worker":
                for worker in workers_of(bind):
                    with suppress(psutil.NoSuchProcess):
                        worker.send_signal(signal.SIGKILL)
                        killed["worker"] += 1
                continue
            if what == "both":
                killed[f"client in {living.pop(0).kill()}"] += 1
            node.kill()
            killed["node"] += 1
            time.sleep(rng.uniform(0, 0.2))
            node = stack.enter_context(node_process(*flags, bind=bind))
            if what == "both":
                living.append(nursery.start(bind))
        go_on(f"in the end; {dict(killed)}")
        for client in living:
            killed[f"client in {client.kill()}"] += 1
        print(f"killed {dict(killed)}; {dict(nursery.words())}")
        nursery.assert_nothing_bad()
        assert killed["node"] == 4
        assert killed["worker"] >= 2
        assert_all_is_back(bind, images)
        node.signal()
        assert node.wait() == 0
        assert_nothing_left(images)
