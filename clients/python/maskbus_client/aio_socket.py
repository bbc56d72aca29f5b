"""A ZeroMQ socket that an event loop watches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import zmq

from maskbus_client import sockets
from maskbus_wire.frames import Buffer

_AT_ONCE = 64
"""Messages handed over before the loop gets to do something else."""
_LOOK_EVERY = 0.002
"""Seconds between two looks where the loop cannot watch a file descriptor (Windows' default loop)."""


class Watched:
    """Hand every message that comes out of a socket to a callback, in the running event loop.

    A ZeroMQ descriptor tells of changes, not of a state: it is readable once when something happened, and whoever does
    not empty the socket then is not told again. So the socket is read until nothing is left, and looked at after each
    send as well, which may have swallowed the notice.
    """

    def __init__(self, socket: zmq.Socket[bytes], deliver: Callable[[list[Buffer]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = socket
        self._deliver = deliver
        self._timer: asyncio.Handle | None = None
        self._paused = False
        self._descriptor = int(socket.getsockopt(zmq.FD))
        try:
            self._loop.add_reader(self._descriptor, self._read)
            self._watching = True
        except NotImplementedError:
            self._watching = False
        self._look_soon()

    def send(self, frames: list[Buffer], *, copy: bool) -> bool:
        """Send a request without waiting; False where the connection takes none."""
        sent = sockets.send(self._socket, frames, copy=copy)
        if self._watching and self._timer is None:
            self._look_soon()
        return sent

    def has_room(self) -> bool:
        """Tell whether the connection would take a request."""
        found = sockets.has_room(self._socket)
        if self._watching and self._timer is None:
            self._look_soon()
        return found

    @property
    def closed(self) -> bool:
        """Whether the socket has been closed."""
        return self._socket.closed

    def look(self) -> None:
        """Hand over what has come, now."""
        self._read()

    def pause(self) -> None:
        """Leave further messages in the socket, whose bounded queue they then fill."""
        self._paused = True

    def resume(self) -> None:
        """Hand messages over again."""
        self._paused = False
        if self._timer is None:
            self._look_soon()

    def close(self) -> None:
        """Close the socket. A second time does nothing."""
        if self._socket.closed:
            return
        if self._watching:
            self._loop.remove_reader(self._descriptor)
        if self._timer is not None:
            self._timer.cancel()
        self._socket.close()

    def _look_soon(self) -> None:
        self._timer = self._loop.call_soon(self._read)

    def _read(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for _ in range(_AT_ONCE):
            if self._paused or self._socket.closed:
                return
            try:
                frames = sockets.receive(self._socket, zmq.DONTWAIT)
            except zmq.Again:
                if not self._watching:
                    self._timer = self._loop.call_later(_LOOK_EVERY, self._read)
                return
            self._deliver(frames)
        self._look_soon()
