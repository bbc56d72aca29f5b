"""The cache of answers in a real redis: shared, killed, stopped, full, and with what others have put there."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from maskbus.results import RedisStore
from maskbus.results.redis_line import LARGEST, PREFIX
from maskbus_wire import frames, replies
from support import waiting
from support.redis_server import RedisServer, redis_server

MIB = 1024 * 1024
PATIENCE_S = 10.0
"""What a lookup may take here where it is to be answered: the machine may be busy."""
KEY = "0123456789abcdef"


def answer(*attachments: bytes, model: str = "echo") -> tuple[bytes, ...]:
    masks = replies.Masks(model=model, width=5, height=4, masks=[])
    return tuple(map(bytes, frames.encode(masks, attachments)))


class Loop:
    """A store, and the loop that it belongs to."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.store = RedisStore(
            url, self.posted.put, **{"capacity": 64 * MIB, "ttl_s": 60.0, "patience_s": PATIENCE_S, **settings}
        )

    def ask(self, key: str = KEY) -> Any:
        """Look something up, and let the loop run until it is answered."""
        found: list[Any] = []
        self.store.lookup(key, found.append)
        while not found:
            due = self.store.next_event()
            assert due is not None, "nobody would ever have been answered"
            try:
                self.posted.get(timeout=max(0.0, due - time.monotonic()))()
            except queue.Empty:
                self.store.tick(time.monotonic())
        assert len(found) == 1
        return found[0]

    def keep(self, *attachments: bytes, key: str = KEY) -> tuple[bytes, ...]:
        """Put an answer there, and wait until it is."""
        parts, before = answer(*attachments), self.store.stats().stored
        self.store.put(key, parts)
        waiting.until(lambda: self.store.stats().stored > before, "the answer was never written")
        return parts

    def until_asked(self, expected: Any, key: str = KEY) -> None:
        """Ask until the store has noticed that its redis is back, and answers as expected."""
        waiting.until(lambda: self.ask(key) == expected, "the store never came back")


@contextmanager
def loop(url: str, **settings: Any) -> Iterator[Loop]:
    made = Loop(url, **settings)
    try:
        yield made
    finally:
        thread = made.store._thread
        made.store.close()
        assert not thread.is_alive()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as made:
        yield made


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return the warnings about the cache so far."""
    caplog.set_level(logging.INFO, "maskbus.results")
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_what_one_node_has_computed_another_one_finds(server: RedisServer) -> None:
    with loop(server.url) as one, loop(server.url) as other:
        assert one.ask() is None
        parts = one.keep(b"bytes", b"")
        assert one.ask() == other.ask() == parts
        assert other.ask("another") is None
        mine, others = one.store.stats(), other.store.stats()
        assert (mine.store, mine.hits, mine.misses, mine.stored, mine.errors) == ("redis", 1, 1, 1, 0)
        assert (others.hits, others.misses, others.stored, others.errors, others.bytes) == (1, 1, 0, 0, 0)
        assert mine.bytes > len(b"".join(parts))


def test_what_lies_there_has_our_name_and_an_end(server: RedisServer) -> None:
    with loop(server.url, ttl_s=0.2) as one, server.client() as client:
        one.keep()
        assert client.keys() in ([f"{PREFIX}{KEY}".encode()], [])
        waiting.until(lambda: one.ask() is None, "it never went")
        assert client.keys() == []
    with loop(server.url, ttl_s=0.0) as one, server.client() as client:
        one.keep()
        assert client.pttl(PREFIX + KEY) == -1


def test_a_large_answer(server: RedisServer) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    with loop(server.url) as one:
        parts = one.keep(random.Random(seed).randbytes(4 * MIB))
        assert one.ask() == parts
        one.store.put("larger", answer(bytes(8 * MIB)))  # more than an eighth
        one.keep(key="last")
        assert one.ask("larger") is None
        assert one.store.stats().stored == 2


@pytest.mark.parametrize(
    "value",
    [
        b"somebody else's",
        b"mba1" + bytes(30),
        bytes(LARGEST + 1),
        b"mba1" + zlib.crc32(b"\1\0\0\0\1\0\0\0\x80").to_bytes(4, "little") + b"\1\0\0\0\1\0\0\0\x80",
    ],
    ids=["text", "zeros", "huge", "signed"],
)
def test_what_others_have_put_there_is_no_answer(server: RedisServer, told: Any, value: bytes) -> None:
    with loop(server.url) as one, server.client() as client:
        client.set(PREFIX + KEY, value)
        assert one.ask() is None
        stats = one.store.stats()
        assert (stats.hits, stats.misses, stats.errors) == (0, 1, 1)
        parts = one.keep()
        assert one.ask() == parts
    assert told() == []


def test_another_kind_of_value_is_no_answer_either(server: RedisServer, told: Any) -> None:
    with loop(server.url) as one, server.client() as client:
        client.lpush(PREFIX + KEY, "a list")
        assert one.ask() is None
        assert one.store.stats().errors == 1
        parts = one.keep()
        assert one.ask() == parts
    assert told() == []


def test_killed_and_started_again(server: RedisServer, told: Any, caplog: pytest.LogCaptureFixture) -> None:
    with loop(server.url) as one:
        parts = one.keep()
        server.kill()
        assert one.ask() is None
        for _ in range(50):
            assert one.ask() is None
            one.store.put(KEY, parts)
        (line,) = told()
        assert line.startswith(f"The cache of answers at {server.url} cannot be asked: ")
        assert one.store.stats().errors >= 51
        assert one.store.stats().misses == 51
        server.start()  # and has forgotten everything
        waiting.until(lambda: not one.store._down, "the store never came back")
        assert one.ask() is None
        parts = one.keep()
        assert one.ask() == parts
        assert len(told()) == 1
        assert caplog.messages[-1] == f"The cache of answers at {server.url} answers again."


def test_killed_again_and_again_while_many_ask(server: RedisServer) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    over = threading.Event()

    def kill() -> None:
        for _ in range(3):
            over.wait(rng.uniform(0.02, 0.1))
            server.kill()
            server.start()
        over.set()

    killer = threading.Thread(target=kill)
    with loop(server.url) as one:
        known = {str(i): answer(rng.randbytes(rng.randrange(2000))) for i in range(20)}
        killer.start()
        while not over.is_set():
            key = rng.choice(list(known))
            assert one.ask(key) in (None, known[key])
            one.store.put(key, known[key])
        killer.join()
        stats = one.store.stats()
        assert stats.hits + stats.misses > 0
        waiting.until(lambda: not one.store._down, "the store never came back")
        parts = one.keep()
        assert one.ask() == parts


def test_nobody_there_from_the_start(server: RedisServer, told: Any) -> None:
    server.kill()
    with loop(server.url) as one:
        assert one.ask() is None
        assert one.ask() is None
        server.start()
        waiting.until(lambda: not one.store._down, "the store never came back")
        parts = one.keep()
        assert one.ask() == parts
    assert len(told()) == 1


def test_one_that_hangs_costs_one_request_its_patience(server: RedisServer, told: Any) -> None:
    with loop(server.url, patience_s=0.2) as one:
        one.keep()
        server.stop()
        begin = time.monotonic()
        for _ in range(200):
            assert one.ask() is None
        assert time.monotonic() - begin < 200 * 0.2 / 4  # not each of them has waited
        waiting.until(lambda: len(told()) == 1, "nobody was told")
        assert (one.store.stats().hits, one.store.stats().misses, one.store.stats().errors) == (0, 200, 200)
        server.go_on()
        one.until_asked(answer())


def test_closing_does_not_wait_for_one_that_hangs(server: RedisServer) -> None:
    with loop(server.url) as one:
        one.keep()
        server.stop()
        answers: list[Any] = []
        one.store.lookup(KEY, answers.append)
    while not one.posted.empty():
        one.posted.get()()
    assert answers == []


def test_a_full_one_is_asked_still(tmp_path: Path, told: Any) -> None:
    with (
        redis_server(tmp_path, "--maxmemory", "3mb", "--maxmemory-policy", "noeviction") as server,
        loop(server.url) as one,
    ):
        parts = one.keep()
        for i in range(40):
            one.store.put(str(i), answer(bytes(256 * 1024)))
        waiting.until(lambda: one.store.stats().errors > 0, "it was never full")
        (line,) = told()
        assert line.startswith(f"The cache of answers at {server.url} takes none: ")
        assert "OOM" in line or "maxmemory" in line
        assert one.ask() == parts


def test_a_replica_is_asked_and_takes_nothing(server: RedisServer, told: Any) -> None:
    with loop(server.url) as one, server.client() as client:
        parts = one.keep()
        client.replicaof("127.0.0.1", server.port)
        before = one.store.stats().errors
        one.store.put("new", answer())
        waiting.until(lambda: one.store.stats().errors > before, "it was taken")
        assert one.ask() == parts
        assert one.ask("new") is None
        (line,) = told()
        assert line.startswith(f"The cache of answers at {server.url} takes none: ")


def test_what_we_may_not_read_we_ask_for_no_more_until_we_may(server: RedisServer, told: Any) -> None:
    with server.client() as client:
        client.acl_setuser("node", enabled=True, passwords="+word", keys=[f"{PREFIX}*"], commands=["+getrange"])
        with loop(server.url.replace("//", "//node:word@")) as one:
            assert one.ask() is None
            assert one.store.stats().errors == 0
            client.acl_setuser("node", commands=["-getrange"])
            assert one.ask() is None
            waiting.until(lambda: one.store._down, "nobody noticed")
            client.acl_setuser("node", commands=["+getrange", "+set"])
            waiting.until(lambda: not one.store._down, "the store never came back")
            assert one.ask() is None
            parts = one.keep()
            assert one.ask() == parts
    (line,) = told()
    assert "getrange" in line


def test_the_password(tmp_path: Path, told: Any) -> None:
    with redis_server(tmp_path, "--requirepass", "open sesame") as server:
        address = server.url.removeprefix("redis://")
        for user in ("", ":wrong-word@", "nobody:wrong-word@"):
            with loop(f"redis://{user}{address}") as one:
                assert one.ask() is None
                assert one.store.stats().errors == 1
        with loop(f"redis://:open%20sesame@{address}") as one:
            parts = one.keep()
            assert one.ask() == parts
    assert len(told()) == 3
    assert all(f"at {server.url} cannot be asked" in line for line in told())
    assert not any("wrong-word" in line or "sesame" in line for line in told())


def test_a_flood_while_it_is_down_takes_no_memory(server: RedisServer) -> None:
    with loop(server.url, capacity=8 * MIB) as one:
        server.stop()
        frame = bytes(MIB // 2)
        for i in range(1000):
            one.store.put(str(i), [b"header", frame])
            assert one.store._backlog.nbytes <= 8 * MIB
        waiting.until(lambda: one.store._down, "nobody noticed")
        assert one.store._backlog.nbytes == 0
        one.store.put("more", [b"header", frame])
        assert one.store._backlog.nbytes == 0


def test_one_that_is_no_redis_at_all() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        with loop(f"redis://127.0.0.1:{listener.getsockname()[1]}") as one:
            assert one.ask() is None
            assert one.store.stats().errors == 1
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)
    assert not thread.is_alive()
