"""A node of a hundred lines, in a thread, that does as it is told: answer, stay silent, talk nonsense, be restarted."""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq

from maskbus_wire import bits, replies, rle
from maskbus_wire.frames import encode


@dataclass
class Asked:
    """One request as the node got it."""

    peer: bytes
    plain: dict[str, Any]
    attachments: list[bytes]

    @property
    def id(self) -> str:
        return self.plain.get("id", "")

    @property
    def op(self) -> str:
        return self.plain["op"]


Script = Callable[["FakeNode", Asked], None]


def bound(context: zmq.Context, kind: int, endpoint: str) -> tuple[zmq.Socket, str]:
    """Return a bound socket and where. libzmq gives the address of a closed socket back a moment after `close`."""
    socket = context.socket(kind)
    socket.linger = 0
    socket.sndhwm = 0
    give_up = time.monotonic() + 5
    while True:
        try:
            socket.bind(endpoint)
            return socket, socket.getsockopt_string(zmq.LAST_ENDPOINT)
        except zmq.ZMQError as error:
            if error.errno != zmq.EADDRINUSE or time.monotonic() > give_up:
                socket.close()
                raise
            time.sleep(0.002)


@dataclass
class FakeNode:
    context: zmq.Context
    endpoint: str = "tcp://127.0.0.1:*"
    publish_endpoint: str = "tcp://127.0.0.1:*"
    announced: list[str] | None = None
    name: str = field(default_factory=lambda: secrets.token_hex(4))
    running: int = 0
    """What `stats` says is running."""
    mute: bool = False
    """Whether nothing at all is answered, pings included."""
    scripts: deque[Script] = field(default_factory=deque)
    """What is done with the next requests that need a model; empty: they are answered."""
    images: dict[str, list[bytes]] = field(default_factory=dict)
    streams: dict[str, int] = field(default_factory=dict)
    """Name of each stream → how many frames have come."""

    def __post_init__(self) -> None:
        self.seen: list[Asked] = []
        """Every request so far."""
        self.work: queue.Queue[Asked] = queue.Queue()
        """The requests that need a model, and `cancel`s, to wait for in a test."""
        self.frames: queue.Queue[Asked] = queue.Queue()
        """The frames of streams, to wait for in a test."""
        self._commands: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self.router, self.endpoint = bound(self.context, zmq.ROUTER, self.endpoint)
        self.xpub, self.publish_endpoint = bound(self.context, zmq.XPUB, self.publish_endpoint)
        self.subscribed: queue.Queue[bytes] = queue.Queue()
        door = f"inproc://{secrets.token_hex(8)}"
        self._bell_in = self.context.socket(zmq.PAIR)
        self._bell_in.bind(door)
        self._bell = self.context.socket(zmq.PAIR)
        self._bell.connect(door)
        self._thread = threading.Thread(target=self._run, name="fake node")
        self._thread.start()

    def do(self, command: Callable[[], None]) -> None:
        """Run something in the node's own thread, which its sockets belong to."""
        self._commands.put(command)
        self._bell.send(b"")

    def stop(self) -> None:
        if self._thread.is_alive():
            self._commands.put(None)
            self._bell.send(b"")
            self._thread.join()
            self._bell.close()

    def restart(self) -> FakeNode:
        """Stop, and begin anew at the same endpoints under another name and with nothing remembered."""
        self.stop()
        return FakeNode(self.context, self.endpoint, self.publish_endpoint)

    def send(self, asked: Asked, reply: replies.Reply, attachments: list[bytes] | None = None) -> None:
        self.router.send_multipart([asked.peer, b"", *encode(reply, attachments or [])])

    def send_raw(self, asked: Asked, *frames: bytes) -> None:
        self.router.send_multipart([asked.peer, *frames])

    def publish(self, topic: str, number: int, *, retained: bool = False, seq: int | None = None) -> None:
        reply = replies.Masks(
            model="fake", width=4, height=3, masks=[], topic=topic, published=number, retained=retained, seq=seq
        )
        frames = [topic.encode(), *encode(reply)]
        self.do(lambda: self.xpub.send_multipart(frames))

    def asked(self, op: str) -> list[Asked]:
        return [asked for asked in self.seen if asked.op == op]

    def answer(self, asked: Asked) -> None:
        """Answer as a node should."""
        plain = asked.plain
        if asked.op == "ping":
            published = [self.publish_endpoint] if self.announced is None else self.announced
            self.send(
                asked,
                replies.Pong(
                    id=asked.id,
                    node=self.name,
                    version="0",
                    uptime_s=1.0,
                    endpoints=[self.endpoint],
                    publish_endpoints=published,
                ),
            )
        elif asked.op == "stats":
            models = [replies.ModelStats(name="fake", running=self.running)]
            self.send(
                asked,
                replies.Statistics(id=asked.id, node=self.name, version="0", uptime_s=1.0, models=models, workers=[]),
            )
        elif asked.op == "describe":
            self.send(asked, replies.Models(id=asked.id, models=[], image_encodings=["rgb8"], limits={"points": 9}))
        elif asked.op == "cancel":
            self.send(asked, replies.Cancelled(id=asked.id, cancelled=1))
        elif asked.op == "release":
            if self.images.pop(plain["image_id"], None) is None:
                self.send(asked, replies.Error(id=asked.id, code="unknown_image", message="Not held."))
            else:
                self.send(asked, replies.Released(id=asked.id))
        elif asked.op == "embed":
            image = plain["image"]
            image_id = secrets.token_hex(4)
            self.images[image_id] = asked.attachments
            self.send(
                asked,
                replies.Embedded(
                    id=asked.id, model="fake", width=image["width"], height=image["height"], image_id=image_id
                ),
            )
        elif asked.op.startswith("stream."):
            self.answer_stream(asked)
        elif plain["image"].get("image_id", "") and plain["image"]["image_id"] not in self.images:
            self.send(asked, replies.Error(id=asked.id, code="unknown_image", message="Not held."))
        else:
            self.send(asked, *self.masks(asked))

    def answer_stream(self, asked: Asked) -> None:
        """Answer about a stream as a node should that looks at no frame and gives no credit by itself."""
        plain, name = asked.plain, asked.plain.get("stream", "")
        if asked.op == "stream.open":
            limit = plain.get("max_waiting", 8) if plain.get("policy") == "every" else None
            topics = {"topic": f"masks/{name}/fake", "frames_topic": f"frames/{name}"}
            resumed = name in self.streams
            self.streams[name] = 0
            self.send(
                asked,
                replies.StreamOpened(id=asked.id, stream=name, model="fake", resumed=resumed, limit=limit, **topics),
            )
        elif asked.op == "stream.list":
            infos = [
                replies.StreamInfo(
                    stream=one, model="fake", topic="", policy="", counts=replies.StreamCounts(received=count)
                )
                for one, count in sorted(self.streams.items())
            ]
            self.send(asked, replies.Streams(id=asked.id, streams=infos))
        elif name not in self.streams:
            unknown = {"code": "unknown_stream", "message": "Not open.", "path": "stream"}
            self.send(asked, replies.Error(id=asked.id, stream=name, seq=plain.get("seq"), **unknown))
        elif asked.op == "stream.frame":
            self.streams[name] += 1
            if plain.get("ack"):
                self.send(asked, replies.StreamFrameTaken(id=asked.id, stream=name, seq=plain.get("seq")))
        elif asked.op == "stream.update":
            self.send(asked, replies.StreamUpdated(id=asked.id, stream=name))
        else:
            counts = replies.StreamCounts(received=self.streams.pop(name))
            self.send(asked, replies.StreamClosed(id=asked.id, stream=name, counts=counts))

    def masks(self, asked: Asked) -> tuple[replies.Masks, list[bytes]]:
        """Return one mask, the left half of the image, in the encodings asked for."""
        plain = asked.plain
        width, height = plain["image"].get("width", 8), plain["image"].get("height", 6)
        mask = np.zeros((height, width), bool)
        mask[:, : width // 2] = True
        held: dict[str, Any] = {}
        attachments: list[bytes] = []
        for encoding in plain.get("encodings", ["rle"]):
            if encoding == "rle":
                held["rle"] = replies.Rle(size=(height, width), counts=rle.encode(mask))
            elif encoding in ("raw", "bits"):
                held[encoding] = replies.Blob(attachment=len(attachments))
                raw = (mask.astype(np.uint8) * 255).tobytes()
                attachments.append(raw if encoding == "raw" else bits.pack(mask))
        if asked.op == "everything":
            held |= {"point": (0.5, 1.0), "crop_box": (0, 0, width, height)}
        entry = replies.Mask(
            bbox=(0, 0, width // 2, height), area=int(mask.sum()), predicted_iou=0.9, stability_score=0.8, **held
        )
        echoed = {name: plain[name] for name in ("stamp", "frame_id", "stream", "seq") if name in plain}
        kind = replies.FoundMasks if asked.op == "everything" else replies.Masks
        reply = kind(id=asked.id, model="fake", width=width, height=height, masks=[entry], **echoed)
        return reply, attachments

    def tell(self, asked: Asked, done: int, total: int = 10) -> None:
        """Tell the progress of a request: one new candidate each time."""
        entry = self.masks(Asked(asked.peer, {**asked.plain, "encodings": ["rle"]}, []))[0].masks[0]
        self.send(asked, replies.Progress(id=asked.id, done=done, total=total, found=done, masks=[entry]))

    def _run(self) -> None:
        poller = zmq.Poller()
        for socket in (self.router, self.xpub, self._bell_in):
            poller.register(socket, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if self._bell_in in ready:
                self._bell_in.recv()
                command = self._commands.get()
                if command is None:
                    break
                command()
            if self.xpub in ready:
                self.subscribed.put(self.xpub.recv())
            if self.router in ready:
                peer, _, head, *attachments = self.router.recv_multipart()
                self._handle(Asked(peer, msgpack.unpackb(head), attachments))
        for socket in (self.router, self.xpub, self._bell_in):
            socket.close()

    def _handle(self, asked: Asked) -> None:
        self.seen.append(asked)
        works = asked.op in ("segment", "everything", "embed")
        if works and self.scripts:
            self.scripts.popleft()(self, asked)
        elif not self.mute:
            self.answer(asked)
        if works or asked.op == "cancel":
            self.work.put(asked)
        if asked.op == "stream.frame":
            self.frames.put(asked)


def silent(node: FakeNode, asked: Asked) -> None:
    """Do nothing."""


def error(code: str, **detail: Any) -> Script:
    """Return a script that answers with an error."""
    return lambda node, asked: node.send(asked, replies.Error(id=asked.id, code=code, message="No.", **detail))


@pytest.fixture
def context() -> Iterator[zmq.Context]:
    with zmq.Context() as context:
        yield context


@pytest.fixture
def start(context: zmq.Context) -> Iterator[Callable[..., FakeNode]]:
    """Start fake nodes, which are stopped after the test."""
    nodes: list[FakeNode] = []

    def begin(**options: Any) -> FakeNode:
        node = FakeNode(context, **options)
        nodes.append(node)
        return node

    yield begin
    for node in nodes:
        node.stop()


@pytest.fixture
def node(start: Callable[..., FakeNode]) -> FakeNode:
    return start()


@pytest.fixture
def acts() -> Any:
    """The scripts a fake node can be given."""

    class Acts:
        silent = staticmethod(silent)
        error = staticmethod(error)

    return Acts


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
