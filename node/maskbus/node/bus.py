"""The rim of the node: its sockets and its one loop. It never computes and never waits for one peer."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import zmq

from maskbus import directories
from maskbus.config import Config
from maskbus.engine.arena import Arena
from maskbus.engine.catalogue import Catalogue
from maskbus.engine.instance import InstanceDirectory
from maskbus.engine.launch import Launcher, ProcessLauncher
from maskbus.engine.local import LocalEngine
from maskbus.engine.worker_handle import WorkerHandle
from maskbus.node import curve
from maskbus.node.aside import Aside
from maskbus.node.broker import Broker, Frame
from maskbus.node.leases import Leases
from maskbus.node.publisher import Publisher
from maskbus.results import MemoryStore, RedisStore, ResultStore
from maskbus.socket_pair import socket_pair

log = logging.getLogger(__name__)

# Plain ints: combining zmq's flags as the enumerations they are costs a microsecond each time.
_NOW = int(zmq.DONTWAIT)
_NOW_AND_MORE = int(zmq.DONTWAIT) | int(zmq.SNDMORE)
_READABLE = int(zmq.POLLIN)
_AT_ONCE = 64
"""Messages taken from one socket before the others have their turn."""
_REQUESTS_WAITING = 32
"""Requests of one peer that are taken in ahead of time. Beyond, its socket blocks."""
_REPLIES_WAITING = 1000
"""Replies that wait for one peer. Many, as one that pipelines gets them in bursts; beyond, they are dropped."""
_TOPICS_WAITING = 32
"""Published messages that wait for one subscriber. Beyond, it misses some."""
_LINGER_MS = 1000
_STOP = b"s"
_ZERO_COPY = 16 * 1024
"""From this size on a frame is handed to the socket as it is; below, copying costs less than keeping track."""


class CannotBind(Exception):
    """Say which endpoint is taken or impossible."""


class Bus:
    """Own the sockets, poll them, and carry messages to and from the broker and the workers."""

    def __init__(
        self,
        config: Config,
        catalogue: Catalogue,
        *,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
        launcher: Launcher | None = None,
    ) -> None:
        """Bind the sockets and start the workers that are to be there from the beginning.

        Raises:
            CannotBind: with the endpoint and the reason. Nothing is left behind then.
        """
        self._own_context = context is None
        self._context = context or zmq.Context()
        self._stack = contextlib.ExitStack()
        try:
            self._open(config, catalogue, launcher)
        except BaseException:
            self._stack.close()
            raise

    def _open(self, config: Config, catalogue: Catalogue, launcher: Launcher | None) -> None:
        if self._own_context:
            self._stack.callback(self._context.term)
        self._config = config
        self._poller = zmq.Poller()
        self._handles: dict[int, WorkerHandle] = {}
        self._stop_at: float | None = None
        self._wake, self._waker = socket_pair()
        self._stack.callback(self._wake.close)
        self._stack.callback(self._waker.close)
        self._waker.setblocking(False)
        self._poller.register(self._wake, zmq.POLLIN)
        self._keys = curve.open_keys(self._context, self._stack, config.secret_key_file, config.client_keys_dir)
        self._requests = self._socket(zmq.ROUTER, config, _REPLIES_WAITING)
        self._topics = self._socket(zmq.XPUB, config, _TOPICS_WAITING)
        self._requests.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._topics.setsockopt(zmq.XPUB_VERBOSE, 1)

        instance = InstanceDirectory(directories.shared_memory(config.image_dir))
        self._stack.callback(instance.close)
        if instance.swept:
            log.info("Removed the shared memory of %d node(s) that were killed.", instance.swept)
        arena = Arena(instance.path, config.image_bytes)
        self._stack.callback(arena.close)
        self._publisher = Publisher(config.topic_bytes)
        leases = Leases(instance.path, config.leased_bytes, config.leased_bytes_per_client)
        self._stack.callback(leases.close)
        self._aside = Aside()
        self._stack.callback(self._aside.close)
        self._poller.register(self._aside.fileno(), zmq.POLLIN)
        store = _store(config, self._aside)
        if store is not None:
            self._stack.callback(store.close)
        self.broker = Broker(
            config, catalogue, arena, leases, self._publisher, self._send, self._publish, self._aside.run, store
        )
        self.broker.about.endpoints = self._bind(self._requests, config.bind)
        self.broker.about.publish_endpoints = self._bind(self._topics, config.publish)
        self._bind_ipc(config)
        launcher = launcher or ProcessLauncher(memory_bytes=config.worker_memory_bytes, log_level=config.log_level)
        engine = LocalEngine(config, catalogue, launcher, instance.path, self)
        self.broker.use(engine)
        self._stack.callback(lambda: engine.stop(time.monotonic() + 2.0))
        engine.start_preloaded(time.monotonic())

    @property
    def endpoints(self) -> list[str]:
        """Where requests can be sent."""
        return self.broker.about.endpoints

    @property
    def publish_endpoints(self) -> list[str]:
        """Where topics can be subscribed to."""
        return self.broker.about.publish_endpoints

    def run(self) -> None:
        """Serve until `stop`, then answer what is in flight, and let go of everything."""
        with self._stack:
            while not self._finished():
                self._turn()

    def stop(self) -> None:
        """End `run`. May be called from any thread and from a signal handler; a second call ends it at once."""
        with contextlib.suppress(BlockingIOError, OSError):
            self._waker.send(_STOP)

    def wake_on_signals(self) -> None:
        """Have `run` see to every signal at once. For the main thread.

        A signal ends a poll on most systems, but not on Windows, not where another thread took it, and not in the
        moment between the interpreter's last look and the poll.
        """
        before = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        self._stack.callback(signal.set_wakeup_fd, before)

    def close(self) -> None:
        """Let go of everything without having run."""
        self._stack.close()

    # -- what the broker and the engine ask for ------------------------------------------------------------------------

    def _send(self, route: Any, message: Sequence[Frame]) -> bool:
        try:
            _send_frames(self._requests, [*route, b"", *message])
        except zmq.ZMQError as error:
            # EHOSTUNREACH: the peer is gone. EAGAIN: it does not read, and its queue is full.
            log.debug("A reply could not be delivered: %s", error)
            return False
        return True

    def _publish(self, message: Sequence[Frame]) -> None:
        _send_frames(self._topics, message)

    def opened(self, handle: WorkerHandle) -> None:
        """Poll the line to a worker."""
        self._handles[handle.fileno()] = handle
        self._poller.register(handle.fileno(), zmq.POLLIN)

    def closing(self, handle: WorkerHandle) -> None:
        """Stop polling the line to a worker."""
        self._poller.unregister(handle.fileno())
        del self._handles[handle.fileno()]
        self.broker.closing(handle)

    def done(self, handle: WorkerHandle, job: Any, control: Any, frames: list[Frame]) -> None:
        """Pass on to the broker."""
        self.broker.done(handle, job, control, frames)

    def failed(self, handle: WorkerHandle, job: Any, code: str, message: str, path: str) -> None:
        """Pass on to the broker."""
        self.broker.failed(handle, job, code, message, path)

    def free(self, handle: WorkerHandle) -> None:
        """Pass on to the broker."""
        self.broker.free(handle)

    def progress(self, handle: WorkerHandle, job: Any, frames: list[Frame]) -> None:
        """Pass on to the broker."""
        self.broker.progress(handle, job, frames)

    def unavailable(self, handle: WorkerHandle) -> None:
        """Pass on to the broker."""
        self.broker.unavailable(handle)

    # -- the loop ------------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        ready = dict(self._poller.poll(self._patience()))
        now = time.monotonic()
        # Workers first: what they have finished, and whether they live, is news for the requests that follow.
        for descriptor in ready:
            handle = self._handles.get(descriptor) if isinstance(descriptor, int) else None
            if handle is not None:
                handle.read(now)
        # Then what has run out of time: its place in a line is free for the requests that follow.
        self.broker.tick(now)
        if self._topics in ready:
            self._take_subscriptions()
        if self._requests in ready:
            self._take_requests()
        if self._aside.fileno() in ready:
            self._aside.take()
        if self._wake.fileno() in ready or self._wake in ready:
            self._take_wake()

    def _patience(self) -> int | None:
        """Return how long nothing can be due, in milliseconds."""
        times = [self.broker.next_event(), self._stop_at]
        next_time = min((moment for moment in times if moment is not None), default=None)
        if next_time is None:
            return None
        return max(0, int((next_time - time.monotonic()) * 1e3) + 1)

    def _take_requests(self) -> None:
        for _ in range(_AT_ONCE):
            if not int(self._requests.getsockopt(zmq.EVENTS)) & _READABLE:
                return
            parts = [self._requests.recv(_NOW, copy=False)]
            while parts[-1].more:
                parts.append(self._requests.recv(_NOW, copy=False))
            # [identity] [empty] [header] [attachment]*
            route = (parts[0].bytes,)
            if len(parts) < 2 or len(parts[1]) != 0:
                self.broker.malformed(route, "A message begins with an empty frame; REQ sockets send it by themselves.")
            else:
                first = parts[0]
                self.broker.receive(
                    route, [part.buffer for part in parts[2:]], partial(_is_local, first), partial(_listens, first)
                )

    def _take_subscriptions(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                message = self._topics.recv(zmq.DONTWAIT)
            except zmq.Again:
                return
            for retained in self._publisher.subscription(message):
                self._publish(retained)

    def _take_wake(self) -> None:
        signals = self._wake.recv(64).count(_STOP)
        if signals and self._stop_at is None:
            log.info("Stopping: requests in flight have %g s to finish.", self._config.stop_timeout_s)
            self._stop_at = time.monotonic() + self._config.stop_timeout_s
            self.broker.begin_stop()
            signals -= 1
        if signals:
            self._stop_at = 0.0

    def _finished(self) -> bool:
        if self._stop_at is None:
            return False
        if self.broker.is_idle:
            return True
        if time.monotonic() < self._stop_at:
            return False
        self.broker.abandon()
        return True

    # -- sockets -------------------------------------------------------------------------------------------------------

    def _socket(self, kind: int, config: Config, waiting: int) -> zmq.Socket[bytes]:
        made = self._context.socket(kind)
        self._stack.callback(made.close)
        if self._keys is not None:
            self._keys.secure(made)
        made.setsockopt(zmq.LINGER, _LINGER_MS)
        made.setsockopt(zmq.SNDHWM, waiting)
        made.setsockopt(zmq.RCVHWM, _REQUESTS_WAITING)
        made.setsockopt(zmq.MAXMSGSIZE, config.max_frame_bytes)
        made.setsockopt(zmq.TCP_KEEPALIVE, 1)
        made.setsockopt(zmq.IPV6, int(any("[" in endpoint for endpoint in [*config.bind, *config.publish])))
        self._poller.register(made, zmq.POLLIN)
        return made

    def _bind(self, made: zmq.Socket[bytes], endpoints: Sequence[str]) -> list[str]:
        bound = []
        for endpoint in endpoints:
            if _is_taken(endpoint):
                raise CannotBind(f"Cannot listen at {endpoint}: something else is listening there.")
            try:
                made.bind(endpoint)
            except zmq.ZMQError as error:
                reason = "something else is listening there" if error.errno == zmq.EADDRINUSE else str(error)
                raise CannotBind(f"Cannot listen at {endpoint}: {reason}.") from None
            bound.append(made.getsockopt_string(zmq.LAST_ENDPOINT))
            if endpoint.startswith("ipc://"):
                self._stack.callback(_unlink, endpoint)
        return bound

    def _bind_ipc(self, config: Config) -> None:
        """Listen on ipc as well, under a name made of the tcp port, which is this node's alone."""
        ports = [endpoint.rpartition(":")[2] for endpoint in self.endpoints if endpoint.startswith("tcp://")]
        if not (config.ipc and ports and zmq.has("ipc")):
            return
        directory = directories.runtime(config.runtime_dir)
        for made, endpoints, kind in (
            (self._requests, self.broker.about.endpoints, "requests"),
            (self._topics, self.broker.about.publish_endpoints, "topics"),
        ):
            path = directory / f"{ports[0]}.{kind}"
            if len(os.fsencode(path)) > 100:
                log.warning("The path %s is too long for an ipc socket; listening on tcp alone.", path)
                return
            endpoints += self._bind(made, [f"ipc://{path}"])


def _store(config: Config, aside: Aside) -> ResultStore | None:
    """Return where answers are kept. StoreError where that cannot be."""
    if config.cache == "memory":
        return MemoryStore(config.cache_bytes, config.cache_ttl_s)
    if config.cache == "redis":
        return RedisStore(config.redis_url, aside.post, config.cache_bytes, config.cache_ttl_s)
    return None


def _send_frames(target: zmq.Socket[bytes], message: Sequence[Frame]) -> None:
    last = len(message) - 1
    for i, frame in enumerate(message):
        size = frame.nbytes if isinstance(frame, memoryview) else len(frame)
        target.send(frame, _NOW_AND_MORE if i < last else _NOW, copy=size < _ZERO_COPY)


def _is_local(frame: zmq.Frame) -> bool:
    """Tell whether a frame came from this machine: over ipc, inproc, or a loopback address."""
    try:
        address = str(frame.get("Peer-Address"))
    except zmq.ZMQError:
        return True  # inproc has none
    return address.startswith(("localhost", "127.", "::ffff:127.")) or address == "::1"


def _listens(frame: zmq.Frame) -> bool:
    """Tell whether the sender of a frame can be told what it has not asked for: a REQ would take it for an answer."""
    try:
        return frame.get("Socket-Type") != "REQ"
    except zmq.ZMQError:
        return True  # inproc has none


def _is_taken(endpoint: str) -> bool:
    """Tell whether somebody listens at an ipc endpoint: ZeroMQ would take the path away from them without a word."""
    scheme, _, path = endpoint.partition("://")
    if scheme != "ipc" or not Path(path).is_socket():
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def _unlink(endpoint: str) -> None:
    if sys.platform != "win32":
        Path(endpoint.removeprefix("ipc://")).unlink(missing_ok=True)
