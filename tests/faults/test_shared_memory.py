"""Clients, nodes and workers killed at any moment while they share memory.

Nothing may leak, no mask may be wrong, and whoever is left goes on.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from maskbus_client import Client, MaskbusError
from maskbus_wire.shared_layout import MAGIC
from support import sharing_client
from support.processes import NodeProcess, node_process
from support.waiting import until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="signals and forks are those of POSIX")
PATIENCE = 30.0


class Killable:
    """One client."""

    def __init__(self, pid: int, folder: Path, name: str) -> None:
        self.pid = pid
        self._phase = folder / f"{name}.phase"
        self._log = folder / f"{name}.log"

    @property
    def phase(self) -> str:
        return self._phase.read_text() if self._phase.exists() else ""

    def said(self) -> list[str]:
        text = self._log.read_text() if self._log.exists() else ""
        return text[: text.rfind("\n") + 1].splitlines()

    def count(self, word: str) -> int:
        return sum(line.startswith(word) for line in self.said())

    def is_alive(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> str:
        """End it where it is; return what it was doing."""
        os.kill(self.pid, signal.SIGKILL)
        until(lambda: not self.is_alive(), "a client survived its end")
        return self.phase


class Clients:
    """Start clients, and end those that are left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.all: list[Killable] = []
        self._nursery = subprocess.Popen(
            [sys.executable, sharing_client.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, endpoint: str, seed: int, mode: str) -> Killable:
        name = f"{len(self.all)}"
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(f"{endpoint} {self._folder} {name} {seed} {mode}\n")
        self._nursery.stdin.flush()
        client = Killable(int(self._nursery.stdout.readline()), self._folder, name)
        self.all.append(client)
        return client

    def words(self) -> Counter[str]:
        return Counter(line for client in self.all for line in client.said())

    def close(self) -> None:
        for client in self.all:
            if client.is_alive():
                client.kill()
        self._nursery.stdin.close()  # type: ignore[union-attr]
        self._nursery.stdout.close()  # type: ignore[union-attr]
        self._nursery.wait(20)


@pytest.fixture
def seed() -> int:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    return seed


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[Clients]:
    folder = tmp_path / "clients"
    folder.mkdir()
    made = Clients(folder)
    yield made
    made.close()


def leased(images: Path) -> list[Path]:
    """Return the files of leases, as their first bytes tell them."""
    found = []
    for path in images.rglob("*"):
        with suppress(OSError):
            if path.is_file() and path.read_bytes()[:8] == MAGIC:
                found.append(path)
    return found


def assert_nothing_left(images: Path) -> None:
    """Hold a node that has ended to having left nothing but the lock that all nodes share."""
    assert [path.name for path in images.rglob("*")] == ["sweep.lock"]


def instance_of(node: NodeProcess) -> Path:
    """Return the directory whose lock the node holds."""
    opened = psutil.Process(node.process.pid).open_files()
    (lock,) = (Path(file.path) for file in opened if Path(file.path).name == "lock")
    return lock.parent


def assert_all_is_back(endpoint: str, images: Path) -> None:
    """Hold the node to having nothing of those who are gone, and to serving the next one."""
    with Client(endpoint, deadline=PATIENCE) as client:
        until(lambda: client.stats().leases == 0, "a lease outlives its client")
        stats = client.stats()
        assert stats.leased_bytes == 0
        until(lambda: client.stats().shm_used_bytes == 0, "a slot of the node's own outlives its request")
        with client.shared_memory(slots=2, slot_bytes=30_000) as memory:
            for _ in range(4):
                with memory.image(height=100, width=100) as image:
                    assert client.segment(image, points=(9, 9), encoding="raw", model="echo").best.area == 9
            assert memory.free == 2
        assert client.stats().leases == 0
    assert not leased(images)


def test_clients_killed_at_any_moment(clients: Clients, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    images = tmp_path / "images"
    phases: Counter[str] = Counter()
    with node_process("--image-dir", str(images)) as node:
        with Client(node.endpoint) as first:
            first.ping()
        for _ in range(25):
            wave = [
                clients.start(node.endpoint, rng.randrange(2**32), rng.choice(["memory", "memory", "auto"]))
                for _ in range(4)
            ]
            for client in wave:
                until(lambda client=client: client.phase != "" and client.is_alive(), "a client did not begin")
                time.sleep(rng.uniform(0, 0.03))
                phases[client.kill()] += 1
        words = clients.words()
        print(f"killed {sum(phases.values())}: {dict(phases)}; {dict(words)}")
        assert not [word for word in words if word.startswith("bad")]
        assert sum(phases.values()) == 100
        assert phases["w"] > 3, phases
        assert phases["r"] > 3, phases
        assert_all_is_back(node.endpoint, images)
        node.signal()
        assert node.wait() == 0
        assert_nothing_left(images)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nodes_clients_and_workers_killed_at_any_moment(clients: Clients, tmp_path: Path, seed: int) -> None:
    """Clients that are left find the next node by themselves, and share its memory."""
    rng = random.Random(seed)
    images = tmp_path / "images"
    bind = f"tcp://127.0.0.1:{free_port()}"
    flags = ("--image-dir", str(images), "--heartbeat-s", "0.2", "--backoff-s", "0.05")
    killed: Counter[str] = Counter()

    def begin() -> Killable:
        return clients.start(bind, rng.randrange(2**32), rng.choice(["memory", "auto"]))

    with ExitStack() as stack:
        node = stack.enter_context(node_process(*flags, bind=bind))
        living = [begin() for _ in range(3)]
        for turn in range(5):
            before = {client.pid: client.count("ok") for client in living}
            until(
                lambda before=before: all(client.count("ok") > before[client.pid] + 2 for client in living),
                f"a client does not go on after turn {turn}",
            )
            time.sleep(rng.uniform(0, 0.05))
            what = ["node", "both", "worker", "both", "node"][turn]
            if what == "worker":
                with Client(bind) as client:
                    pids = [worker.pid for worker in client.stats().workers if worker.pid]
                for pid in pids:
                    with suppress(psutil.NoSuchProcess):
                        psutil.Process(pid).kill()
                    killed["worker"] += 1
                continue
            left = instance_of(node)
            if what == "both":
                os.kill(living[0].pid, signal.SIGKILL)
                killed[f"client {living.pop(0).phase}"] += 1
            node.kill()
            killed["node"] += 1
            time.sleep(rng.uniform(0, 0.2))
            node = stack.enter_context(node_process(*flags, bind=bind))
            assert not left.exists(), "files of a node that was killed are there after its successor's start"
            if what == "both":
                living.append(begin())
        before = {client.pid: client.count("ok") for client in living}
        until(lambda: all(client.count("ok") > before[client.pid] + 2 for client in living), "a client does not go on")
        for client in living:
            killed[f"client {client.kill()}"] += 1
        words = clients.words()
        print(f"killed {dict(killed)}; {dict(words)}")
        assert not [word for word in words if word.startswith("bad")]
        assert_all_is_back(bind, images)
        node.signal()
        assert node.wait() == 0
        assert_nothing_left(images)


def test_a_client_that_is_left_alone_keeps_what_it_has(tmp_path: Path) -> None:
    """Its node is killed: images and results it holds stay as they are, and closing does not hang."""
    import numpy as np

    bind = f"tcp://127.0.0.1:{free_port()}"
    flags = ("--image-dir", str(tmp_path / "images"))
    with Client(bind) as client:
        with node_process(*flags, bind=bind) as node:
            memory = client.shared_memory(slots=3, slot_bytes=400 * 400 * 3)
            image = memory.copy(np.full((400, 400, 3), 5, np.uint8))
            result = client.segment(image, points=(9, 9), encoding="raw", model="echo")
            node.kill()
        with pytest.raises(MaskbusError):
            client.segment(image, points=(9, 9), model="echo", deadline=0.5)
        assert result.best.to_array().sum() == 9
        image.edit()[...] = 6
        with node_process(*flags, bind=bind):
            assert not leased(tmp_path / "images")
            again = client.segment(image, points=(9, 9), encoding="raw", model="echo")
            assert again.best.to_array().sum() == 9
            with memory.copy(np.full((400, 400, 3), 5, np.uint8)) as other:
                third = client.segment(other, points=(9, 9), encoding="raw", model="echo")
                assert third.reply.result is not None, "the next node's memory is not used"
            assert client.stats().leases == 1
            memory.close()
            assert client.stats().leases == 0
        begin = time.monotonic()
    assert time.monotonic() - begin < 5
