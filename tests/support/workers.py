"""Workers that do what the test says: a body that lives until it is told otherwise, and the other end of its line."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from maskbus.engine.launch import WorkerSpec
from maskbus.engine.worker_handle import Patience, WorkerHandle
from maskbus.scheduler import Job
from maskbus.worker.channel import Channel, Frame, pack, unpack

HELLO = {
    "type": "hello",
    "slots": "/slots",
    "weights_dir": "",
    "embedding_bytes": 0,
    "embedding_ttl_s": 0.0,
    "tracker_bytes": 1 << 20,
    "heartbeat_s": 1.0,
    "max_pixels": 9,
}
PATIENCE = Patience(heartbeat=10.0, load=100.0, grace=2.0, backoff=1.0, backoff_most=8.0)


class FakeBody:
    pid = 4711

    def __init__(self) -> None:
        self.how: str | None = None
        self.killed = False

    def ended(self) -> str | None:
        return self.how

    def kill(self) -> None:
        self.killed = True
        self.how = self.how or "ended by signal 9"

    def wait(self, seconds: float) -> bool:
        return self.how is not None


class FakeWorker:
    """The worker's side of the line."""

    def __init__(self, connection: socket.socket, body: FakeBody) -> None:
        self.channel = Channel(connection)
        self.body = body

    def tell(self, *frames: Frame, **message: Any) -> None:
        self.channel.send([pack(message), *frames])

    def told(self) -> list[dict[str, Any]]:
        return [unpack(frames[0]) for frames in self.channel.poll()]

    def die(self, how: str = "exited with code 3") -> None:
        self.body.how = how
        self.channel.close()


class FakeLauncher:
    def __init__(self, buffer_bytes: int = 0) -> None:
        self.started: list[FakeWorker] = []
        self.specs: list[WorkerSpec] = []
        self.refuse: OSError | None = None
        self._buffer_bytes = buffer_bytes

    def start(self, spec: WorkerSpec) -> tuple[socket.socket, FakeBody]:
        if self.refuse:
            raise self.refuse
        ours, theirs = socket.socketpair()
        if self._buffer_bytes:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._buffer_bytes)
        body = FakeBody()
        self.specs.append(spec)
        self.started.append(FakeWorker(theirs, body))
        return ours, body

    @property
    def worker(self) -> FakeWorker:
        """The one that was started last."""
        return self.started[-1]

    def close(self) -> None:
        for worker in self.started:
            worker.channel.close()


class Listener:
    """Write down what a handle says."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def take(self) -> list[tuple[Any, ...]]:
        heard, self.heard = self.heard, []
        return heard

    def opened(self, handle: WorkerHandle) -> None:
        assert handle.fileno() >= 0
        self.heard.append(("opened",))

    def closing(self, handle: WorkerHandle) -> None:
        assert handle.fileno() >= 0
        self.heard.append(("closing",))

    def done(self, handle: WorkerHandle, job: Job, control: Mapping[str, Any], frames: list[Frame]) -> None:
        self.heard.append(("done", job, [bytes(frame) for frame in frames]))

    def failed(self, handle: WorkerHandle, job: Job, code: str, message: str, path: str) -> None:
        self.heard.append(("failed", job, code, message, path))

    def free(self, handle: WorkerHandle) -> None:
        self.heard.append(("free", handle.state))

    def progress(self, handle: WorkerHandle, job: Job, frames: list[Frame]) -> None:
        self.heard.append(("progress", job, [bytes(frame) for frame in frames]))

    def unavailable(self, handle: WorkerHandle) -> None:
        self.heard.append(("unavailable", handle.failure))
