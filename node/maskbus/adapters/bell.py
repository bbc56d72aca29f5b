"""The bell between a parent and its child: who has put something into a slot rings (SPEC.md, section 18)."""

from __future__ import annotations

import hmac
import os
import struct
from pathlib import Path
from typing import Any, Final, Protocol

import zmq

_LOOPBACK: Final = "tcp://127.0.0.1:*"
_LONGEST_PATH: Final = 100
_GENERATION: Final = struct.Struct("<Q")
_TOKEN_BYTES: Final = 16
_NOW: Final = int(zmq.DONTWAIT)


class Bell(Protocol):
    """Can be waited for, heard and rung."""

    address: str
    """What the ready line says of it."""
    pollable: Any
    """What a poller waits for: a socket of ZeroMQ or of the system."""

    def hear(self) -> list[int | None]:
        """Return the generations it has been rung for since, None where it cannot say; never waits."""

    def ring(self, generation: int) -> None:
        """Ring for the parent, if it is there."""

    def close(self) -> None:
        """Let go of it."""


class SocketBell:
    """A ROUTER that only this machine can reach. A ring without the token goes unheard."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], directory: Path, token: bytes) -> None:
        """Bind it: in the private directory where there is ipc, else to any free port of loopback."""
        self._token = token
        self._parent: bytes | None = None
        self.pollable = context.socket(zmq.ROUTER)
        self.pollable.setsockopt(zmq.LINGER, 0)
        self.pollable.setsockopt(zmq.ROUTER_MANDATORY, 1)
        # Strangers may knock: they get no memory for it.
        self.pollable.setsockopt(zmq.MAXMSGSIZE, 256)
        self.pollable.setsockopt(zmq.RCVHWM, 16)
        try:
            self._bind(directory / "bell")
        except BaseException:
            self.pollable.close()
            raise
        self.address = self.pollable.getsockopt_string(zmq.LAST_ENDPOINT)

    def hear(self) -> list[int | None]:
        """Return the generations that were rung for with the token. The reply's ring goes to whoever rang last."""
        heard: list[int | None] = []
        while True:
            try:
                identity, *frames = self.pollable.recv_multipart(_NOW)
            except zmq.Again:
                return heard
            generation = read_ring(frames, self._token)
            if generation is not None:
                self._parent = identity
                heard.append(generation)

    def ring(self, generation: int) -> None:
        """Ring for the parent; one that is gone does not hear it."""
        if self._parent is not None:
            try:
                self.pollable.send_multipart([self._parent, make_ring(self._token, generation)], _NOW)
            except zmq.ZMQError as error:
                if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                    raise

    def close(self) -> None:
        """Close the socket."""
        self.pollable.close()

    def _bind(self, path: Path) -> None:
        if os.name != "nt" and zmq.has("ipc") and len(os.fsencode(path)) <= _LONGEST_PATH:
            try:
                self.pollable.bind(f"ipc://{path}")
                return
            except zmq.ZMQError:
                pass  # not every file system has sockets
        self.pollable.bind(_LOOPBACK)


def make_ring(token: bytes, generation: int) -> bytes:
    """Return the one frame of a ring."""
    return token + _GENERATION.pack(generation)


def read_ring(frames: list[bytes], token: bytes) -> int | None:
    """Return the generation a ring is for; None if it is no ring, or has another token."""
    if len(frames) != 1 or len(frames[0]) != _TOKEN_BYTES + _GENERATION.size:
        return None
    if not hmac.compare_digest(frames[0][:_TOKEN_BYTES], token):
        return None
    generation: int = _GENERATION.unpack(frames[0][_TOKEN_BYTES:])[0]
    return generation
