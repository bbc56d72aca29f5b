"""What `stats` and `top` show of a node."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pytest
from rich.console import Console, RenderableType

from maskbus.cli import keys, quantities, screen, streams_table, top
from maskbus_client.errors import NodeError, NodeUnreachable, error_of
from maskbus_wire.replies import (
    CacheStats,
    Error,
    ModelStats,
    Statistics,
    StreamCounts,
    StreamInfo,
    TopicStats,
    WorkerStats,
)

BUSY = Statistics(
    node="0123456789abcdef",
    version="0.1.0",
    uptime_s=93_784.0,
    models=[
        ModelStats(
            name="grabcut",
            queued={"interactive": 1, "stream": 22, "batch": 333},
            running=1,
            answered=4321,
            errors={"busy": 7, "worker_died": 1},
            rate=12.34,
            p50_ms=80.12,
            p99_ms=250.98,
        ),
        ModelStats(name="[red]odd[/]", left_out_s=24.6),
    ],
    workers=[
        WorkerStats(
            model="grabcut",
            device="cpu",
            state="busy",
            pid=4711,
            restarts=2,
            rss_bytes=300 * 1024 * 1024,
            cache_bytes=5 * 1024 * 1024,
            cache_entries=3,
            cache_hits=70,
            cache_misses=9,
            cache_evictions=4,
            last_error="ended by signal 9",
        ),
        WorkerStats(model="echo", device="cpu", state="backing-off"),
    ],
    topics=[TopicStats(topic=f"camera/{i}", published=i) for i in range(20)],
    images=2,
    shm_bytes=64 * 1024 * 1024,
    shm_used_bytes=1024,
    leases=3,
    leased_bytes=75 * 1024 * 1024,
    cache=CacheStats(
        store="memory", hits=5, misses=7, stored=7, evictions=2, errors=1, entries=4, bytes=3 * 1024 * 1024
    ),
    rss_bytes=45 * 1024 * 1024,
    received=9000,
    rejected=17,
    unanswerable=3,
)
IDLE = Statistics(node="n", version="0.1.0", uptime_s=0.4, models=[], workers=[])


def drawn(thing: RenderableType, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(thing)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_everything_is_there() -> None:
    text = drawn(screen.frame("tcp://host:1", BUSY))
    row = next(line for line in text.splitlines() if line.startswith("grabcut") and "12.3" in line)
    assert row.split(maxsplit=9)[1:9] == ["1", "22", "333", "1", "12.3", "80.1", "251.0", "4321"]
    assert row.rstrip().endswith("busy 7, worker_died 1")
    row = next(line for line in text.splitlines() if "4711" in line)
    assert row.split() == ["grabcut", "cpu", "busy", "4711", "2", "300", "MiB", "3", "in", "5.0", "MiB", "70", "9", "4"]
    for words in (
        "tcp://host:1",
        "up 1 d 02:03:04",
        "[red]odd[/]",  # a model's name is shown, not obeyed
        "backing-off",
        "grabcut ended last: ended by signal 9",
        "camera/19",
        "and 8 more",
        "2 kept; shared memory: 1.0 KiB used of 64 MiB reserved",
        "3 held by clients, 75 MiB",
        "[red]odd[/] is left out of routes for 25 s: it has failed too often",
        "4 kept in memory, 3.0 MiB; 5 found there, 7 not; 2 dropped; it could not be asked 1 time",
        "9000 received, 17 rejected, 3 replies undeliverable",
        "45 MiB in the node's own process",
    ):
        assert words in text


def test_an_idle_node_has_little_to_show() -> None:
    text = drawn(screen.frame("tcp://host:1", IDLE))
    assert "nothing asked yet" in text
    assert "worker" not in text
    assert "topic" not in text


@pytest.mark.parametrize(
    ("cache", "words"),
    [
        (CacheStats(store="none"), "answers    none are kept\n"),
        (
            CacheStats(store="redis", stored=9, bytes=2048),
            "answers    9 kept in redis, 2.0 KiB; 0 found there, 0 not\n",
        ),
    ],
)
def test_where_answers_are_kept(cache: CacheStats, words: str) -> None:
    text = drawn(screen.frame("tcp://host:1", msgspec.structs.replace(IDLE, cache=cache)))
    assert words in "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def test_a_narrow_screen_is_no_error() -> None:
    assert drawn(screen.frame("tcp://host:1", BUSY), width=40)


class FakeClient:
    """Answers, fails, answers again."""

    endpoint = "tcp://host:1"

    def __init__(self, answers: list[Statistics | None]) -> None:
        self.answers = answers

    def stats(self, *, deadline: float) -> Statistics:
        answer = self.answers.pop(0)
        if answer is None:
            raise NodeUnreachable("Nobody answered.")
        return answer

    def streams(self, *, deadline: float) -> list[StreamInfo]:
        return [StreamInfo(stream="front", model="grabcut", topic="masks/front/grabcut", policy="newest")]


class OldClient:
    """Talks to a node that has never heard of streams."""

    def __init__(self, code: str) -> None:
        self.code = code

    def streams(self, *, deadline: float) -> list[StreamInfo]:
        raise error_of(Error(code=self.code, message="No."))


def test_streams_are_shown_with_what_became_of_their_frames() -> None:
    busy = StreamInfo(
        stream="front",
        model="grabcut",
        topic="masks/front/grabcut",
        policy="sample",
        track=True,
        object_ids=[4, 7],
        counts=StreamCounts(received=60, answered=20, dropped={"newer": 9, "over_limit": 30}),
        watched=True,
        rate_in=30.04,
        rate_out=9.96,
        p50_ms=12.34,
        p99_ms=98.76,
    )
    others = [
        StreamInfo(stream=f"[b]cam{i}[/]", model="echo", topic=f"masks/cam{i}/echo", policy="newest", idle_s=i % 6)
        for i in range(20)
    ]
    failed = StreamInfo(
        stream="rear", model="echo", topic="masks/rear/echo", policy="every", rate_in=1.0, last_error="It is no JPEG."
    )
    text = drawn(screen.frame("tcp://host:1", IDLE, streams=[*others, failed, busy]), width=160)
    (row,) = (line for line in text.splitlines() if line.startswith("front"))
    assert " ".join(row.split()) == "front grabcut sample, tracks 30.0 10.0 12.3 98.8 2 30 over limit, 9 newer watched"
    assert "It is no JPEG." in next(line for line in text.splitlines() if line.startswith("rear"))
    assert "[b]cam3[/]" in text
    assert "no frame for 5 s" in text
    assert "nobody watches" in text
    assert "and 6 more" in text


def test_a_node_without_streams_is_no_error() -> None:
    client: Any = OldClient("unknown_operation")
    assert streams_table.look(client, 1.0) == []
    client = OldClient("internal")
    with pytest.raises(NodeError):
        streams_table.look(client, 1.0)


def test_a_node_that_goes_away_and_comes_back_is_followed() -> None:
    client: Any = FakeClient([None, BUSY, None, IDLE])
    watcher = top.Watcher(client)
    before, there, gone, back = (drawn(watcher.look()) for _ in range(4))
    assert "no answer" in before
    assert "grabcut" not in before
    assert "no answer" not in there
    assert "front" in there
    assert "no answer" in gone
    assert "grabcut" in gone  # what was seen last stays on the screen
    assert "front" in gone
    assert "no answer" not in back
    assert "nothing asked yet" in back


def test_where_stdin_is_no_terminal_keys_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("q"))
    with keys.watched() as wait:
        assert wait(0) == ""


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (10 * 2**20, "10 MiB"),
        (3 * 2**30, "3.0 GiB"),
        (2**41, "2048.0 GiB"),
    ],
)
def test_bytes_in_words(count: int, words: str) -> None:
    assert quantities.amount(count) == words


@pytest.mark.parametrize(("seconds", "words"), [(0.9, "00:00:00"), (3661, "01:01:01"), (90_061, "1 d 01:01:01")])
def test_times_in_words(seconds: float, words: str) -> None:
    assert quantities.duration(seconds) == words


def test_names_of_others_are_shown_and_nothing_else() -> None:
    odd = "\x1b[2J\x1b[31ma b\n[b]ü"
    shown = "\\x1b[2J\\x1b[31ma b\\n[b]ü"
    statistics = msgspec.structs.replace(BUSY, topics=[TopicStats(topic=odd, published=1)])
    text = drawn(screen.frame("tcp://127.0.0.1:7710", statistics))
    assert shown in text
    assert "\x1b[2J" not in text
    stream = StreamInfo(stream=odd, model="echo", topic="t", policy="every", last_error="\x1bc")
    text = drawn(streams_table.table([stream]))
    assert shown in text
    assert "\x1bc" not in text
