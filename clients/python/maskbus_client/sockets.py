"""The sockets of the client, and how multipart messages go in and out of them."""

from __future__ import annotations

import zmq

from maskbus_client.link import REPLY_LIMITS
from maskbus_wire.frames import Buffer

_NOW = int(zmq.DONTWAIT)  # a plain int: combining flags as the enumerations they are takes a microsecond each time
LARGE = 64 * 1024
"""Bytes from which a buffer is handed over or viewed instead of copied."""


def open_dealer(context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> zmq.Socket[bytes]:
    """Return a DEALER for requests. What it queues is bounded by the calls under way, so it has no high-water mark."""
    return _open(context, zmq.DEALER, endpoint, send_high_water=0, receive_high_water=0)


def open_producer(context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> zmq.Socket[bytes]:
    """Return a DEALER for the frames of a stream: it takes two that the node has not, so that none gets old there."""
    return _open(context, zmq.DEALER, endpoint, send_high_water=2, receive_high_water=1000)


def open_subscriber(context: zmq.Context[zmq.Socket[bytes]], endpoint: str, topic: bytes) -> zmq.Socket[bytes]:
    """Return a SUB for every topic that begins with `topic`.

    It has heartbeats: a machine that vanished without a word would otherwise never be noticed, nor connected to again.
    """
    socket = _open(context, zmq.SUB, endpoint, send_high_water=0, receive_high_water=1000)
    socket.setsockopt(zmq.SUBSCRIBE, topic)
    return socket


def send(socket: zmq.Socket[bytes], frames: list[Buffer], *, copy: bool) -> bool:
    """Send a request without waiting; False where the connection takes none.

    Args:
        socket: A DEALER.
        frames: Header and attachments; the empty delimiter is put before them.
        copy: Whether large attachments are copied; otherwise their memory is read until the answer is there.
    """
    try:
        if copy or all(len(frame) < LARGE for frame in frames):
            socket.send_multipart([b"", *frames], _NOW)
        else:
            # pyzmq itself copies what is small, and holds on to the memory of what is not.
            socket.send_multipart([b"", *frames], _NOW, copy=False)
    except zmq.Again:
        return False
    return True


def has_room(socket: zmq.Socket[bytes]) -> bool:
    """Tell whether the connection would take a message."""
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLOUT)


def receive(socket: zmq.Socket[bytes], flags: int = 0) -> list[Buffer]:
    """Return the frames of one message; large ones, past the first two, are views into the message.

    Raises:
        zmq.Again: if none came in the socket's receive timeout, or at once with zmq.DONTWAIT.
    """
    frames: list[Buffer] = [socket.recv(flags)]
    while socket.getsockopt(zmq.RCVMORE):
        if len(frames) < 2:
            frames.append(socket.recv())
            continue
        frame = socket.recv(copy=False)
        frames.append(frame.buffer if len(frame) >= LARGE else frame.bytes)
    return frames


def _open(
    context: zmq.Context[zmq.Socket[bytes]], kind: int, endpoint: str, *, send_high_water: int, receive_high_water: int
) -> zmq.Socket[bytes]:
    socket = context.socket(kind)
    try:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, send_high_water)
        socket.setsockopt(zmq.RCVHWM, receive_high_water)
        socket.setsockopt(zmq.MAXMSGSIZE, REPLY_LIMITS.frame_bytes)
        if endpoint.startswith("tcp://"):
            socket.setsockopt(zmq.IPV6, 1)
            socket.setsockopt(zmq.HEARTBEAT_IVL, 5_000)
            socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 15_000)
        socket.connect(endpoint)
    except BaseException:
        socket.close()
        raise
    return socket
