"""The line between the node and one worker: a stream socket that carries messages of several frames.

A plain socket and not ZeroMQ: the end of a process closes it, so a death is known at once, and there is no I/O thread
between the two ends, which halves the time of a round trip.

On the line: uint32 number of frames, uint64 length of each, then the frames. Little endian. Both ends are maskbus
itself, on one machine.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgpack

Frame = bytes | bytearray | memoryview
_COUNT = struct.Struct("<I")
_DIRECT = 64 * 1024
"""From this size on, a frame is received straight into its own memory."""
_MOST_FRAMES = 1 << 20
_MOMENT = 500e-6
"""Seconds. Longer than a client takes from an answer to its next small request, or frame in shared memory."""


class ChannelClosed(Exception):
    """Say that the other end is gone."""


def pack(message: dict[str, Any]) -> bytes:
    """Return a control message as its first frame."""
    packed: bytes = msgpack.packb(message, use_bin_type=True)
    return packed


def unpack(frame: Frame) -> dict[str, Any]:
    """Return the control message of a first frame."""
    message: dict[str, Any] = msgpack.unpackb(frame, raw=False, strict_map_key=False)
    return message


class Channel:
    """One end of the line. `receive` and `poll` are for one thread, `send` for any."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._sending = threading.Lock()
        self._inbox: deque[list[Frame]] = deque()
        self._buffer = bytearray()
        self._frames: list[Frame] = []
        self._lengths: deque[int] = deque()
        self._large: bytearray | None = None
        self._filled = 0
        self._brisk = False

    def fileno(self) -> int:
        """Return the socket's descriptor, for a poller."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end; the other notices."""
        self._socket.close()

    def send(self, frames: Sequence[Frame]) -> None:
        """Send a message, however long that takes. Raises `ChannelClosed`."""
        parts = [memoryview(part).cast("B") for part in _with_lengths(frames) if len(part)]
        with self._sending:
            try:
                _send_all(self._socket, parts)
            except OSError as error:
                raise ChannelClosed(str(error)) from None

    def send_now(self, frames: Sequence[Frame]) -> bool:
        """Send a small message if the line takes it at once; tell whether it did. Raises `ChannelClosed`.

        False means that the other end has stopped reading. A part of the message may be on the line then, so the line
        is of no more use.
        """
        whole = b"".join(_with_lengths(frames))
        try:
            return _send_what_fits(self._socket, whole) == len(whole)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            raise ChannelClosed(str(error)) from None

    def receive(self, patience: float | None = None) -> list[Frame]:
        """Wait for the next message and return its frames. Raises `ChannelClosed`.

        Raises `TimeoutError` where none has come within `patience` seconds; None is forever.

        Messages that have been coming one right after the other are awaited awake for a moment: to be woken takes a
        process as long as all of its own work on a small request. Whoever else wants the processor goes first.
        """
        begin = time.perf_counter()
        while not self._inbox:
            if not (self._brisk and time.perf_counter() < begin + _MOMENT):
                if patience is not None:
                    left = max(0.0, begin + patience - time.perf_counter())
                    if not _is_readable(self._socket, left):
                        raise TimeoutError
                self._read(0)
                continue
            try:
                self._read(_DONT_WAIT)
            except BlockingIOError:
                os.sched_yield()
        self._brisk = _CAN_WATCH and time.perf_counter() < begin + _MOMENT
        return self._inbox.popleft()

    def poll(self) -> list[list[Frame]]:
        """Return the messages that are complete, without waiting. Raises `ChannelClosed` once nothing more can come."""
        closed: ChannelClosed | None = None
        try:
            while self._readable() and self._read(_DONT_WAIT):
                pass
        except BlockingIOError:
            pass
        except ChannelClosed as error:
            closed = error
        messages = list(self._inbox)
        self._inbox.clear()
        if closed and not messages:
            raise closed
        return messages

    def _readable(self) -> bool:
        return bool(_DONT_WAIT) or _is_readable(self._socket, 0)

    def _read(self, flags: int) -> bool:
        """Take what the socket has; put what is complete into the inbox. Tell whether there may be more."""
        room = _DIRECT
        try:
            if self._large is not None:
                room = len(self._large) - self._filled
                count = self._socket.recv_into(memoryview(self._large)[self._filled :], 0, flags)
                self._filled += count
                if self._filled == len(self._large):
                    self._frames.append(self._large)
                    self._large = None
                    self._deliver_if_complete()
            else:
                data = self._socket.recv(_DIRECT, flags)
                count = len(data)
                self._buffer += data
        except BlockingIOError:
            raise
        except OSError as error:
            raise ChannelClosed(str(error)) from None
        if count == 0:
            raise ChannelClosed("The other end closed the line.")
        self._parse()
        return count == room

    def _parse(self) -> None:
        position, buffer = 0, self._buffer
        while self._large is None:
            available = len(buffer) - position
            if self._lengths:
                length = self._lengths[0]
                if available >= length:
                    self._lengths.popleft()
                    self._frames.append(bytes(memoryview(buffer)[position : position + length]))
                    position += length
                elif length >= _DIRECT:
                    self._lengths.popleft()
                    self._large = bytearray(length)
                    self._large[:available] = memoryview(buffer)[position:]
                    self._filled = available
                    position += available
                else:
                    break
            else:
                if available < _COUNT.size:
                    break
                (number,) = _COUNT.unpack_from(buffer, position)
                if not 0 < number <= _MOST_FRAMES:
                    raise ChannelClosed("The other end does not keep to the protocol.")
                if available < _COUNT.size + 8 * number:
                    break
                self._lengths.extend(struct.unpack_from(f"<{number}Q", buffer, position + _COUNT.size))
                position += _COUNT.size + 8 * number
            self._deliver_if_complete()
        del buffer[:position]

    def _deliver_if_complete(self) -> None:
        if self._frames and not self._lengths and self._large is None:
            self._inbox.append(self._frames)
            self._frames = []


_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)
_CAN_WATCH = bool(_DONT_WAIT) and hasattr(os, "sched_yield")


def _is_readable(connection: socket.socket, seconds: float) -> bool:
    if not hasattr(select, "poll"):
        return bool(select.select([connection], [], [], seconds)[0])
    poller = select.poll()  # select takes no descriptor from 1024 on
    poller.register(connection, select.POLLIN)
    return bool(poller.poll(seconds * 1e3))


def _send_what_fits(connection: socket.socket, data: bytes) -> int:
    """Send without waiting; return how many bytes. Whoever calls this does not use the socket in another thread."""
    if _DONT_WAIT:
        return connection.send(data, _DONT_WAIT)
    connection.setblocking(False)  # Windows: the socket can be told, a single call cannot
    try:
        return connection.send(data)
    finally:
        connection.setblocking(True)


def _with_lengths(frames: Sequence[Frame]) -> list[Frame]:
    lengths = [memoryview(frame).nbytes for frame in frames]
    return [_COUNT.pack(len(frames)) + struct.pack(f"<{len(frames)}Q", *lengths), *frames]


def _send_all(connection: socket.socket, parts: list[memoryview]) -> None:
    if not hasattr(connection, "sendmsg"):
        for part in parts:
            connection.sendall(part)
        return
    while parts:
        sent = connection.sendmsg(parts[:256])
        while parts and sent >= len(parts[0]):
            sent -= len(parts.pop(0))
        if sent:
            parts[0] = parts[0][sent:]
