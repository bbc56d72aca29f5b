"""What the pages see: the node's streams, looked at each second, and the pictures of those that some page shows."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import msgspec
import zmq
from msgspec.structs import asdict

from maskbus.adapters.viewer.commands import AnyStreamCommand
from maskbus.adapters.viewer.frame import Frame
from maskbus.adapters.viewer.line import Line
from maskbus.adapters.viewer.prompting import Prompter
from maskbus.adapters.viewer.reel import Reel
from maskbus.adapters.viewer.subscriptions import Subscriptions
from maskbus_client import endpoints, reply_bytes
from maskbus_client.errors import MaskbusError, NodeError
from maskbus_client.link import REPLY_LIMITS
from maskbus_client.results import Result
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Buffer, decode_reply, open_header
from maskbus_wire.replies import Masks, Models, Pong, PublishedFrame, StreamInfo, Streams
from maskbus_wire.requests import Describe, Ping, StreamList

if TYPE_CHECKING:
    Context = zmq.Context[zmq.Socket[bytes]]

INTERVAL = 1.0
"""Seconds between two looks at the list of streams."""
_PATIENCE = 2.0
"""Seconds that the node may take to answer before the pages say that it does not."""
_BUDGET = 256 * 1024 * 1024
"""Bytes of frames that wait for their masks, all streams together."""


class Viewer(Protocol):
    """A page, as far as what it sees is concerned."""

    @property
    def sides(self) -> dict[str, int]:
        """The streams that it shows → pixels of the longer side there."""

    def stir(self) -> None:
        """Learn that there is something new to send."""


class Watch:
    """Look at the node for as long as there are pages, and subscribe to what they show. Belongs to one event loop."""

    def __init__(self, context: Context, endpoint: str, prefix: str) -> None:
        self.endpoint = endpoint
        self.status = b""
        """What the pages are told of the node and of all streams, JSON."""
        self.looks = 0
        """How often that has changed."""
        self.reels: dict[str, Reel] = {}
        self.executor = ThreadPoolExecutor(2, thread_name_prefix="maskbus view")
        self._prefix = prefix
        self._line = Line(context, endpoint)
        self._prompter = Prompter(self._line)
        self._subscriptions = Subscriptions(context, self._deliver)
        self._infos: dict[str, StreamInfo] = {}
        self._models: dict[str, bool] = {}
        self._run = ""
        self._viewers: set[Viewer] = set()
        self._somebody = asyncio.Event()
        self._pressing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        try:
            while True:
                await self._somebody.wait()
                began = time.monotonic()
                await self._look()
                await asyncio.sleep(max(0.0, began + INTERVAL - time.monotonic()))
        finally:
            self.close()

    def close(self) -> None:
        """Close the connections to the node."""
        self._subscriptions.close()
        self._line.close()
        self.executor.shutdown(wait=False, cancel_futures=True)

    def join(self, viewer: Viewer) -> None:
        """Begin to look for a page."""
        self._viewers.add(viewer)
        self._somebody.set()

    def leave(self, viewer: Viewer) -> None:
        """Look for this page no longer."""
        self._viewers.discard(viewer)
        if not self._viewers:
            self._somebody.clear()
        self.refresh()

    def __len__(self) -> int:
        return len(self._viewers)

    def refresh(self) -> None:
        """Subscribe to what is shown somewhere, and to nothing else."""
        wanted = self._infos.keys() & {name for viewer in self._viewers for name in viewer.sides}
        for name in self.reels.keys() - wanted:
            del self.reels[name]
        for name in wanted - self.reels.keys():
            self.reels[name] = Reel(_BUDGET)
        for reel in self.reels.values():
            reel.limit = _BUDGET // len(self.reels)
        self._subscriptions.set(
            {b"frames/" + name.encode() for name in wanted},
            {b"rle:" + self._infos[name].topic.encode() for name in wanted},
        )

    def side(self, name: str) -> int:
        """Return the most pixels that the longer side of a stream has on any page."""
        return max((viewer.sides.get(name, 0) for viewer in self._viewers), default=0)

    async def obey(self, command: AnyStreamCommand) -> str:
        """Carry out what a page wants of a stream; return what there is to say. MaskbusError if it cannot be done."""
        info = self._infos.get(command.stream)
        if info is None:
            raise MaskbusError(f"There is no stream {command.stream!r} any more.")
        said = await self._prompter.obey(command, info, needs_prompt=self._models.get(info.model, False))
        self._tell("")
        return said

    async def _look(self) -> None:
        trouble = ""
        try:
            pong = await self._line.ask(Ping(), Pong, _PATIENCE)
            if pong.node != self._run:
                await self._meet(pong)
            streams = await self._line.ask(StreamList(), Streams, _PATIENCE)
            self._take(streams.streams)
        except NodeError as error:
            trouble = f"The node at {self.endpoint} cannot show its streams: {error}"
        except MaskbusError as error:
            trouble = str(error)
        now = time.monotonic()
        for name, reel in self.reels.items():
            if reel.look(now):
                self._stir(name)
        self.refresh()
        self._tell(trouble)

    async def _meet(self, pong: Pong) -> None:
        """Get to know another run of the node: it knows nothing of what the last one was told."""
        models = await self._line.ask(Describe(), Models, _PATIENCE)
        self._models = {model.name: "none" not in model.prompts for model in models.models}
        self._subscriptions.move(endpoints.choose_publish(self.endpoint, pong.publish_endpoints))
        for name in self._infos:
            self._forget(name)
        self._run = pong.node

    def _take(self, found: list[StreamInfo]) -> None:
        infos = {info.stream: info for info in found if info.stream.startswith(self._prefix)}
        for name, before in self._infos.items():
            now = infos.get(name)
            if now is None or now.topic != before.topic or now.counts.received < before.counts.received:
                self._forget(name)
        self._infos = infos

    def _forget(self, name: str) -> None:
        self._prompter.forget(name)
        self.reels.pop(name, None)

    def _tell(self, trouble: str) -> None:
        streams = [
            {
                **asdict(info),
                "counts": asdict(info.counts),
                "clicks": self._prompter.shown(name),
            }
            for name, info in self._infos.items()
        ]
        told = {"kind": "streams", "endpoint": self.endpoint, "trouble": trouble, "prefix": self._prefix}
        self.status = msgspec.json.encode({**told, "streams": streams})
        self.looks += 1
        for viewer in self._viewers:
            viewer.stir()

    def _deliver(self, parts: list[Buffer]) -> None:
        """Take a published message. One that cannot be read is left out: the next one comes."""
        now = time.monotonic()
        with contextlib.suppress(WireError, MaskbusError):
            reply = decode_reply(open_header(parts[1:], REPLY_LIMITS)[0])
            reel = self.reels.get(getattr(reply, "stream", None) or "")
            if reel is None or not isinstance(reply, (PublishedFrame, Masks)):
                return
            if isinstance(reply, Masks):
                changed = reel.match(Result(reply, parts[2:]), now)
            else:
                data = reply_bytes.held(reply.image, parts[2:], "image")
                changed = reel.add(Frame((reply.seq, reply.stamp), reply.image, data, now), now)
                self._press(reply.stream, reel)
            if changed and reply.stream is not None:
                self._stir(reply.stream)

    def _stir(self, name: str) -> None:
        for viewer in self._viewers:
            if name in viewer.sides:
                viewer.stir()

    def _press(self, name: str, reel: Reel) -> None:
        """Make the frames that wait longest smaller where they take up too much room."""
        if (self._pressing is None or self._pressing.done()) and reel.heavy() is not None:
            self._pressing = asyncio.get_running_loop().create_task(self._press_one(name, reel))

    async def _press_one(self, name: str, reel: Reel) -> None:
        frame = reel.heavy()
        while frame is not None:
            await asyncio.get_running_loop().run_in_executor(self.executor, frame.press, self.side(name))
            frame = reel.heavy()
