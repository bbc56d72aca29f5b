"""One page: what it is sent, one message at a time, and what it says."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from contextlib import suppress

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from maskbus.adapters.viewer import commands
from maskbus.adapters.viewer.commands import AnyStreamCommand, Command
from maskbus.adapters.viewer.watch import Watch
from maskbus_client.errors import MaskbusError, NodeError

MOST_BROWSERS = 16
WRONG_TOKEN, TOO_MANY, NONSENSE = 4401, 4429, 4400
"""Why a page is turned away; codes of its WebSocket."""

_GREETING = 5.0
"""Seconds that a page may take to say who it is."""
_PAUSE = 1 / 25
"""Seconds between two pictures of one stream, at least."""
_STALLED = 10.0
"""Seconds without an answer after which a page counts as one that nobody looks at."""
_UNDER_WAY = 8
"""Clicks of one page that the node is asked about at a time."""


async def attend(websocket: WebSocket, watch: Watch, token: str) -> None:
    """Serve a page until it goes away; turn it away if it does not know the token."""
    await websocket.accept()
    with suppress(WebSocketDisconnect):
        try:
            hello = commands.read(await asyncio.wait_for(websocket.receive_text(), _GREETING))
        except (ValueError, KeyError, asyncio.TimeoutError):
            hello = None
        if not isinstance(hello, commands.Hello) or not secrets.compare_digest(hello.token.encode(), token.encode()):
            await websocket.close(WRONG_TOKEN, "The page's key is not this server's.")
        elif len(watch) >= MOST_BROWSERS:
            await websocket.close(TOO_MANY, f"{MOST_BROWSERS} pages are open already.")
        else:
            await Browser(websocket, watch).serve()


class Browser:
    """A page that may look and click.

    It has one message under way at most, whatever it is, and says when it is done with it. So nothing piles up, here or
    on the way, for one that is slow or has stopped: what it has missed by then has been replaced by what is newer.
    """

    def __init__(self, websocket: WebSocket, watch: Watch) -> None:
        self._websocket = websocket
        self._watch = watch
        self._shown: dict[str, int] = {}
        self._said: deque[bytes] = deque(maxlen=16)
        self._looks = 0
        self._seen: dict[str, int] = {}
        self._sent: dict[str, float] = {}
        self._sent_at = 0.0
        self._free = asyncio.Event()
        self._free.set()
        self._stirred = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def stalled(self) -> bool:
        """Whether the page has not answered for long."""
        return not self._free.is_set() and time.monotonic() - self._sent_at > _STALLED

    @property
    def sides(self) -> dict[str, int]:
        """The streams that the page shows → pixels of the longer side there; none while it does not answer."""
        return {} if self.stalled else self._shown

    def stir(self) -> None:
        """Look whether there is something new to send."""
        self._stirred.set()

    async def serve(self) -> None:
        """Send and listen until the page goes away."""
        self._watch.join(self)
        loop = asyncio.get_running_loop()
        both = {loop.create_task(self._send()), loop.create_task(self._listen())}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._watch.leave(self)
            tasks = both | self._tasks
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for problem in ended:
            # A page that goes away is no problem; starlette has several ways to say so.
            if isinstance(problem, Exception) and not isinstance(problem, (WebSocketDisconnect, RuntimeError)):
                raise problem

    async def _send(self) -> None:
        while True:
            await self._free.wait()
            message = await self._next()
            self._sent_at = time.monotonic()
            self._free.clear()
            if isinstance(message, bytes):
                await self._websocket.send_bytes(message)
            else:
                await self._websocket.send_text(message)

    async def _next(self) -> str | bytes:
        """Wait for what is to be sent next: text where it is JSON, bytes where it is a picture."""
        while True:
            self._stirred.clear()
            if self._said:
                return self._said.popleft().decode()
            if self._looks != self._watch.looks:
                self._looks = self._watch.looks
                return self._watch.status.decode()
            now = time.monotonic()
            name, pause = self._choose(now)
            if not name:
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._stirred.wait(), pause)
                continue
            picture = self._watch.reels[name].shown
            assert picture is not None
            self._seen[name], self._sent[name] = picture.version, now
            age = now - picture.frame.received
            message = await picture.message(name, self._watch.side(name), age, self._watch.executor)
            if message is not None:
                return message

    def _choose(self, now: float) -> tuple[str, float | None]:
        """Return the stream whose turn it is; or none, and in how many seconds one will be (None: nobody knows)."""
        due: dict[str, float] = {}
        for name in self._shown:
            reel = self._watch.reels.get(name)
            if reel is not None and reel.shown is not None and reel.shown.version != self._seen.get(name):
                due[name] = self._sent.get(name, 0.0) + _PAUSE
        if not due:
            return "", None
        first = min(due, key=due.__getitem__)
        return (first, None) if due[first] <= now else ("", due[first] - now)

    async def _listen(self) -> None:
        while True:
            try:
                command = commands.read(await self._websocket.receive_text())
            except (ValueError, KeyError) as problem:  # KeyError: bytes came instead of text
                await self._websocket.close(NONSENSE, f"That is no command: {problem}"[:120])
                return
            self._take(command)

    def _take(self, command: Command) -> None:
        if isinstance(command, commands.Ack):
            late = self.stalled
            self._free.set()
            if late:
                self._watch.refresh()
        elif isinstance(command, commands.Show):
            least, most = commands.SIDES
            self._shown = {name: min(most, max(least, side)) for name, side in command.streams.items()}
            self._seen = {name: version for name, version in self._seen.items() if name in self._shown}
            self._sent = {name: at for name, at in self._sent.items() if name in self._shown}
            self._watch.refresh()
            self.stir()
        elif isinstance(command, AnyStreamCommand):
            if len(self._tasks) >= _UNDER_WAY:
                self._say("error", "The node has not answered the last clicks yet.", command.stream)
                return
            task = asyncio.get_running_loop().create_task(self._obey(command))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _obey(self, command: AnyStreamCommand) -> None:
        try:
            said = await self._watch.obey(command)
            self._say("done", said, command.stream)
        except MaskbusError as error:
            # Without the path of the field: the page's reader has not written any.
            self._say("error", error.message if isinstance(error, NodeError) else str(error), command.stream)

    def _say(self, level: str, text: str, stream: str) -> None:
        self._said.append(msgspec.json.encode({"kind": "said", "level": level, "text": text, "stream": stream}))
        self.stir()
