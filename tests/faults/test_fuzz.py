"""Fifty thousand messages that nobody should send, through a real socket, to a node with a real worker process."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from maskbus_wire import frames
from maskbus_wire.checks import check_request
from maskbus_wire.errors import CODES
from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.prompts import Image
from maskbus_wire.replies import Error, Masks, Pong, Progress, StreamCredit, StreamOpened, Streams
from maskbus_wire.requests import Ping, StreamFrame, StreamList, StreamOpen
from support import waiting
from support.nodes import LiveNode, live_node
from support.peer import TINY, Peer, segment

VECTORS = Path(__file__).parents[2] / "protocols" / "vectors"
BATCH = 100
BATCHES = 460
STRUCTURED = 4_000
FRAME_BATCHES = 40
SEED = 20_240_607


def request_vectors() -> tuple[list[list[bytes]], list[list[bytes]]]:
    """Return requests, which have an answer each, and frames of streams, which have none or late ones."""
    found: tuple[list[list[bytes]], list[list[bytes]]] = ([], [])
    for path in sorted(VECTORS.glob("*alid/*.json")):
        vector = json.loads(path.read_text())
        if vector["kind"] == "request":
            parts = quick([bytes.fromhex(frame) for frame in vector["frames"]])
            found[b"stream.frame" in b"".join(parts[:1])].append(parts)
    assert all(found)
    return found


def quick(parts: list[bytes]) -> list[bytes]:
    """Have everything looked for at four points: there are fifty thousand messages."""
    with contextlib.suppress(Exception):
        plain = msgpack.unpackb(parts[0], strict_map_key=False)
        if plain["op"] == "everything" and "image_id" not in plain["image"]:
            plain["settings"] |= {"points_per_side": 2, "crop_n_layers": 0}
            return [msgpack.packb(plain), *parts[1:]]
    return parts


CORPUS, FRAMES = request_vectors()


@pytest.fixture(scope="module")
def running() -> Iterator[LiveNode]:
    with live_node(
        models=["echo"], preload=["echo"], image_bytes=64 << 20, kept_bytes=8 << 20, deadline_ms=5000
    ) as node:
        yield node


@pytest.fixture(scope="module")
def peer(running: LiveNode) -> Iterator[Peer]:
    with running.peer() as made:
        assert isinstance(made.ask(segment(deadline_ms=60_000), TINY), Masks)  # as long as the first start may take
        yield made


def flip(rng: random.Random, parts: list[bytes]) -> None:
    i = rng.randrange(len(parts))
    data = bytearray(parts[i] or b"\0")
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    parts[i] = bytes(data)


def cut(rng: random.Random, parts: list[bytes]) -> None:
    i = rng.randrange(len(parts))
    parts[i] = parts[i][: rng.randrange(len(parts[i]) + 1)]


def insert(rng: random.Random, parts: list[bytes]) -> None:
    i = rng.randrange(len(parts))
    at = rng.randrange(len(parts[i]) + 1)
    parts[i] = parts[i][:at] + rng.randbytes(rng.randint(1, 9)) + parts[i][at:]


def drop(rng: random.Random, parts: list[bytes]) -> None:
    parts.pop(rng.randrange(len(parts)))


def double(rng: random.Random, parts: list[bytes]) -> None:
    parts.insert(rng.randrange(len(parts) + 1), rng.choice(parts))


def shuffle(rng: random.Random, parts: list[bytes]) -> None:
    rng.shuffle(parts)


def replace_field(rng: random.Random, parts: list[bytes]) -> None:
    """Put something else where a field was, somewhere in the tree."""
    try:
        tree = msgpack.unpackb(parts[0], strict_map_key=False)
    except Exception:
        return
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            places.append((node, key))
            walk(value)

    walk(tree)
    if places:
        node, key = rng.choice(places)
        node[key] = rng.choice(WILD)(rng)
        parts[0] = msgpack.packb(tree)


WILD: list[Callable[[random.Random], Any]] = [
    lambda rng: None,
    lambda rng: rng.choice([True, False]),
    lambda rng: rng.randint(-(2**63), 2**64 - 1),
    lambda rng: rng.choice([0, -1, 1, 2**31, 2**63, 65536]),
    lambda rng: rng.choice([float("nan"), float("inf"), -0.0, 1e308, 0.5]),
    lambda rng: rng.randbytes(rng.randrange(20)),
    lambda rng: "".join(chr(rng.randrange(1, 0xD7FF)) for _ in range(rng.randrange(20))),
    lambda rng: rng.choice(["rgb8", "jpeg", "raw", "echo", "batch", "png_base64", "segment", "1.0", "9.9", "data:,x"]),
    lambda rng: [],
    lambda rng: {},
    lambda rng: [[0, 0]] * rng.choice([1, 3, 2000]),
    lambda rng: {"encoding": "rle", "counts": "zzz"},
]
MUTATIONS = [flip, flip, cut, insert, drop, double, shuffle, replace_field, replace_field, replace_field]


def mutated(rng: random.Random, corpus: list[list[bytes]] = CORPUS) -> list[bytes]:
    """Return the frames of a message, delimiter included."""
    if rng.random() < 0.1:
        return [rng.randbytes(rng.randrange(64)) for _ in range(rng.randint(1, 4))]
    parts = list(rng.choice(corpus))
    for _ in range(rng.randint(0, 3)):
        if parts:
            rng.choice(MUTATIONS)(rng, parts)
    return [b"", *parts] if rng.random() < 0.98 else parts or [b"x"]


def answers(peer: Peer, messages: list[list[bytes]]) -> list[Any]:
    """Send all, receive as many replies, and see that nothing more comes."""

    def answer() -> Any:
        while isinstance(reply := peer.receive()[0], Progress | StreamCredit):
            pass
        return reply

    for message in messages:
        peer.socket.send_multipart(message)
    replies = [answer() for _ in messages]
    peer.send(Ping(id="end of batch"))
    pong = answer()
    assert isinstance(pong, Pong), pong
    assert pong.id == "end of batch"
    return replies


def assert_sane(replies: list[Any]) -> None:
    for reply in replies:
        if isinstance(reply, Error):
            assert reply.code in CODES
            assert reply.code not in {"internal", "worker_died", "out_of_memory"}, reply
            assert reply.message.endswith((".", "!", "?", "…")), reply
            assert "Traceback" not in reply.message


@seed(SEED)
@settings(
    max_examples=BATCHES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    print_blob=True,
)
@given(number=st.integers(0, 2**63))
@pytest.mark.timeout(400)
def test_mutated_messages(running: LiveNode, peer: Peer, number: int) -> None:
    rng = random.Random(number)
    assert_sane(answers(peer, [mutated(rng) for _ in range(BATCH)]))


@pytest.mark.timeout(100)
def test_mutated_frames(running: LiveNode) -> None:
    """They are not answered one by one, but each one that names a stream is counted, and what is wrong is told."""
    rng = random.Random(SEED)
    names = {msgpack.unpackb(parts[0]).get("stream") for parts in FRAMES if valid(parts)}
    streams = sorted(name for name in names if name)
    assert streams
    picture = Image(attachment=0, encoding="mono8", width=6, height=4)
    sound = [[frames.encode(StreamFrame(stream=name, image=picture))[0], bytes(24)] for name in streams]
    with running.peer() as peer:
        for i, name in enumerate(streams):
            policy: Any = ("newest", "every")[i % 2]
            opened = peer.ask(StreamOpen(stream=name, model="echo", policy=policy, always=True))
            assert isinstance(opened, StreamOpened), opened
        for _ in range(FRAME_BATCHES):
            for _ in range(BATCH):
                peer.socket.send_multipart(mutated(rng, [*FRAMES, *sound, *sound]))
            peer.send(Ping(id="end of batch"))
            replies: list[Any] = []
            while not isinstance(reply := peer.receive()[0], Pong):
                replies.append(reply)
            assert_sane(replies)
        listed = until_idle(peer)
        assert {stream.stream for stream in listed} >= set(streams)
        for stream in listed:
            counts = stream.counts
            assert counts.received == counts.answered + sum(counts.dropped.values())
        assert any(stream.counts.answered for stream in listed), listed
        assert any(stream.counts.dropped.get("failed") for stream in listed)


def valid(parts: list[bytes]) -> bool:
    with contextlib.suppress(Exception):
        check_request(frames.decode_request(frames.open_header(parts)[0]), len(parts) - 1, DEFAULT_LIMITS)
        return True
    return False


def until_idle(peer: Peer) -> list[Any]:
    """Return how the streams are doing once no frame is under way."""
    found: list[Any] = []

    def idle() -> bool:
        peer.send(StreamList(id="list"))
        while not isinstance(reply := peer.receive()[0], Streams):
            pass
        found[:] = reply.streams
        return not any(stream.under_way for stream in found)

    waiting.until(idle, "Frames stay under way.")
    return found


Make = Callable[[random.Random], Any]
SOUND = {"encoding": "mono8", "width": 6, "height": 4, "attachment": 0}

IMAGE: dict[str, Make] = {
    "encoding": lambda rng: rng.choice(["rgb8", "mono8", "bgra8", "jpeg", "png", "webp", "gif"]),
    "width": lambda rng: rng.randint(-1, 7),
    "height": lambda rng: rng.randint(-1, 7),
    "step": lambda rng: rng.randint(-1, 30),
    "attachment": lambda rng: rng.randint(-1, 2),
    "data": lambda rng: rng.randbytes(rng.randrange(60)),
    "base64": lambda rng: "".join(rng.choices("AQgw+/=?", k=rng.randrange(20))),
    "image_id": lambda rng: rng.choice(["", "a", "held"]),
}
PROMPT: dict[str, Make] = {
    "points": lambda rng: [[rng.uniform(-1, 6), rng.uniform(-1, 6)] for _ in range(rng.randrange(4))],
    "labels": lambda rng: [rng.randint(0, 1) for _ in range(rng.randrange(4))],
    "boxes": lambda rng: [[rng.randint(-1, 6) for _ in range(4)] for _ in range(rng.randrange(4))],
    "mask": lambda rng: {"encoding": rng.choice(["rle", "bits", "png", "raw"])},
    "logits": lambda rng: some(rng, {"shape": lambda rng: [2, 2], "dtype": lambda rng: "float32", **IMAGE}),
    "text": lambda rng: rng.choice([["a disc"], ["a", "b"], [""], []]),
}
REQUEST: dict[str, Make] = {
    "id": lambda rng: rng.choice(["", "a", "é" * 5]),
    "image": lambda rng: some(rng, IMAGE) if rng.random() < 0.3 else SOUND,
    "prompt": lambda rng: some(rng, PROMPT) if rng.random() < 0.5 else {"points": [[1, 2]], "labels": [1]},
    "model": lambda rng: rng.choice(["", "echo"]),
    "encodings": lambda rng: rng.choices(["rle", "raw", "labels", "logits", "polygon"], k=rng.randrange(4)),
    "keep": lambda rng: rng.random() < 0.5,
    "inline": lambda rng: rng.random() < 0.5,
    "publish": lambda rng: rng.choice(["", "a", "a:b"]),
    "deadline_ms": lambda rng: rng.randint(-1, 5000),
    "lane": lambda rng: rng.choice(["interactive", "batch"]),
    "options": lambda rng: {"threshold": anything(rng)},
    "preset": lambda rng: rng.choice(["default", "dense", "fast", "best"]),
    "settings": lambda rng: {"points_per_side": rng.randint(-1, 3), "crop_n_layers": 0},
    "progress": lambda rng: rng.random() < 0.5,
}


def anything(rng: random.Random, depth: int = 0) -> Any:
    """Return a value of any kind, lists and maps of such among them."""
    if depth == 3 or rng.random() < 0.7:
        return rng.choice(WILD)(rng)
    inner = [anything(rng, depth + 1) for _ in range(rng.randrange(5))]
    return inner if rng.random() < 0.5 else {f"{rng.randrange(30)}": value for value in inner}


def some(rng: random.Random, fields: dict[str, Make]) -> dict[str, Any]:
    """Return some of these fields: with what they may hold, or now and then one or two of them with anything."""
    share, wild = rng.choice([0.2, 0.5, 0.8]), rng.choice([0, 0, 0.05, 0.3])
    chosen = [name for name in fields if rng.random() < share]
    return {name: anything(rng) if rng.random() < wild else fields[name](rng) for name in chosen}


def structured(rng: random.Random) -> list[bytes]:
    """Return the frames of a request whose fields are those of a request, and whose values may be anything."""
    operation = rng.choice(["segment", "segment", "embed", "release", "everything"])
    request: dict[str, Any] = {"maskbus": "1.0", "op": operation, "image": SOUND, **some(rng, REQUEST)}
    if operation == "everything":
        request = {"settings": {"points_per_side": 2, "crop_n_layers": 0}, **request}
    if operation == "release":
        request = {"maskbus": "1.0", "op": operation, "image_id": "held", **some(rng, {"id": REQUEST["id"]})}
    if rng.random() < 0.1:
        request[rng.choice(["maskbus", "op"])] = anything(rng)
    attachments = (
        [rng.randbytes(rng.randrange(64)) for _ in range(rng.randrange(3))] if rng.random() < 0.3 else [bytes(24)]
    )
    return [b"", msgpack.packb(request), *attachments]


@pytest.mark.timeout(400)
def test_structured_messages(peer: Peer) -> None:
    rng = random.Random(SEED)
    for _ in range(STRUCTURED // BATCH):
        assert_sane(answers(peer, [structured(rng) for _ in range(BATCH)]))


def test_node_is_as_it_was(running: LiveNode, peer: Peer) -> None:
    """Run last: what fifty thousand messages have left behind."""
    assert isinstance(peer.ask(segment(), TINY), Masks)
    stats = running.stats()
    assert stats.workers[0].restarts == 0
    assert stats.shm_bytes <= 64 << 20
    assert stats.unanswerable == 0
    assert not {"internal", "worker_died", "out_of_memory"} & set(stats.models[0].errors)
    assert stats.received >= BATCH * BATCHES + STRUCTURED


def test_frame_over_the_cap_costs_the_peer_its_connection() -> None:
    """Documented as unanswerable: the transport drops who sends more than the cap."""
    with live_node(models=["echo"], max_frame_bytes=100_000) as node, node.peer() as good, node.peer() as bad:
        bad.send_raw([frames.encode(Ping())[0], bytes(200_000)])
        assert isinstance(good.ask(Ping()), Pong)
        assert bad.quiet(300)
        assert isinstance(good.ask(segment(), TINY), Masks)
