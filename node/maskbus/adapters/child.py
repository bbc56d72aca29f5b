"""A node as the child of the program that uses it, which talks to it through one mapping (SPEC.md, section 18)."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
from collections.abc import Callable
from typing import Any, Final

import zmq
from msgspec.structs import replace

from maskbus import directories
from maskbus.adapters.bell import Bell, SocketBell
from maskbus.adapters.events_windows import EventsBell
from maskbus.adapters.mailbox import Mailbox
from maskbus.adapters.parent_watch import ParentWatch, on_end_of_input
from maskbus.adapters.relay import Relay
from maskbus.config import Config
from maskbus.engine.catalogue import Catalogue
from maskbus.engine.instance import InstanceDirectory
from maskbus.engine.launch import Launcher
from maskbus.node import Bus
from maskbus.node.describe import limits_of
from maskbus.socket_pair import socket_pair

log = logging.getLogger(__name__)

SMALLEST: Final = 128 * 1024
"""Bytes of the smallest mapping: each of its slots can take any error."""
_ENDPOINT: Final = "inproc://requests"
_PARENT_GONE: Final = b"p"
_NODE_ENDED: Final = b"n"


class ChildFailed(Exception):
    """Say in one sentence why the child cannot go on."""


class ChildNode:
    """Run a node that nobody but the parent can reach, and the adapter between it and the mapping.

    The node runs in a thread, the adapter in the caller's; whichever ends takes the other one along.
    """

    def __init__(
        self,
        config: Config,
        catalogue: Catalogue,
        mapping_bytes: int,
        *,
        events: str = "",
        launcher: Launcher | None = None,
    ) -> None:
        """Make the mapping and the node.

        Args:
            config: As for any node; where it listens is not looked at.
            catalogue: The models.
            mapping_bytes: Bytes of both slots together.
            events: Name of a pair of named events that are the bell (Windows); empty: a socket.
            launcher: How workers come to life; None: as processes.

        Raises:
            ChildFailed: if there is no room for the mapping.
            NoEvents: if there are no such events.
        """
        self._stack = contextlib.ExitStack()
        self._failure: BaseException | None = None
        self._ended = threading.Event()
        try:
            self._open(config, catalogue, mapping_bytes, events, launcher)
        except BaseException:
            self._stack.close()
            raise

    def _open(
        self, config: Config, catalogue: Catalogue, mapping_bytes: int, events: str, launcher: Launcher | None
    ) -> None:
        self._wake, self._waker = socket_pair()
        self._stack.callback(self._wake.close)
        self._stack.callback(self._waker.close)
        self._waker.setblocking(False)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._stack.callback(context.destroy, linger=0)
        instance = InstanceDirectory(directories.shared_memory(config.image_dir))
        self._stack.callback(instance.close)
        try:
            self._mailbox = Mailbox(instance.path, mapping_bytes // 2, limits_of(config))
        except OSError as error:
            raise ChildFailed(
                f"There is no room for a mapping of {mapping_bytes} bytes in {instance.path.parent}: "
                f"{error.strerror}. Choose a smaller --mapping, or another --image-dir."
            ) from None
        self._stack.callback(self._mailbox.close)
        token = self._mailbox.token
        self._bell: Bell = EventsBell(events) if events else SocketBell(context, instance.path, token)
        self._stack.callback(self._bell.close)
        alone = {"bind": [_ENDPOINT], "publish": [], "ipc": False, "secret_key_file": "", "client_keys_dir": ""}
        self._bus = Bus(replace(config, **alone), catalogue, context=context, launcher=launcher)
        self._node = context.socket(zmq.DEALER)
        self._stack.callback(self._node.close, 0)
        self._node.connect(self._bus.endpoints[0])

    @property
    def ready_line(self) -> str:
        """What the parent needs to know, as one line of JSON."""
        file = self._mailbox.file
        line = {
            "ready": True,
            "mapping": str(file.path.absolute()),
            "bytes": file.header.file_bytes,
            "generation": file.header.generation,
            "bell": self._bell.address,
            "pid": os.getpid(),
        }
        return json.dumps(line)

    def run(self, announce: Callable[[str], Any]) -> None:
        """Serve the parent until it is gone, or `stop`.

        Args:
            announce: Is given the ready line.

        Raises:
            ChildFailed: if the node ended by itself, or no parent came.
        """
        with self._stack:
            thread = threading.Thread(target=self._run_node, name="maskbus node")
            thread.start()
            try:
                announce(self.ready_line)
                on_end_of_input(lambda: self._tell(_PARENT_GONE))
                self._serve()
            finally:
                # Nobody waits for what may still be under way: the second signal ends the node at once.
                self._bus.stop()
                self._bus.stop()
                thread.join()

    def stop(self) -> None:
        """End `run` as soon as a request that is under way has been answered; a second call ends it at once.

        May be called from any thread and from a signal handler.
        """
        self._bus.stop()

    def close(self) -> None:
        """Let go of everything without having run."""
        self._bus.close()
        self._stack.close()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _run_node(self) -> None:
        try:
            self._bus.run()
        except BaseException as error:
            log.debug("The node ended.", exc_info=True)
            self._failure = error
        finally:
            self._ended.set()
            self._tell(_NODE_ENDED)

    def _tell(self, what: bytes) -> None:
        with contextlib.suppress(OSError):
            self._waker.send(what)

    def _serve(self) -> None:
        relay = Relay(self._mailbox, self._bell, self._node)
        watch = ParentWatch(self._mailbox.file.is_held)
        poller = zmq.Poller()
        for source in (self._bell.pollable, self._node, self._wake):
            poller.register(source, zmq.POLLIN)
        while True:
            ready = dict(poller.poll(watch.patience_ms))
            ended = self._ended.is_set()
            relay.answered()
            if ended:  # then its last answers are there as well
                break
            if _is_in(ready, self._bell.pollable):
                relay.heard()
            if _is_in(ready, self._wake) and _PARENT_GONE in self._wake.recv(64):
                log.info("The parent has closed the standard input.")
                return
            if reason := watch.gone():
                if not watch.was_there:
                    raise ChildFailed(reason)
                log.info("%s", reason)
                return
        if self._failure is not None:
            raise ChildFailed(f"The node ended: {type(self._failure).__name__}: {self._failure}") from self._failure


def _is_in(ready: dict[Any, int], source: Any) -> bool:
    """Tell whether a poller found something; it names the system's sockets by their numbers."""
    return source in ready or (isinstance(source, socket.socket) and source.fileno() in ready)
