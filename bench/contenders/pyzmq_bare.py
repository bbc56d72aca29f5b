"""Bare pyzmq, REQ/REP with zero-copy sends and receives: the base of the ratios."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq

from contenders.base import (
    ANSWER_S,
    Connection,
    Contender,
    Endpoints,
    Exchange,
    Line,
    Pixels,
    mask_answer,
    read_mask,
    read_shape,
    shape_answer,
)

_ALL: tuple[Exchange, ...] = ("small", "frame", "mask", "echo")


class BareConnection:
    """A REQ socket; a request is one byte that names the exchange, and the payload."""

    def __init__(self, endpoint: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.REQ)
        self._socket.rcvtimeo = int(ANSWER_S * 1000)
        self._socket.linger = 0
        self._socket.connect(endpoint)

    def small(self, payload: bytes) -> bool:
        return self._ask(b"s", payload).bytes == payload

    def frame(self, frame: Any) -> tuple[int, int]:
        return read_shape(self._ask(b"f", frame).buffer)

    def mask(self, frame: Any) -> Pixels:
        return read_mask(self._ask(b"m", frame).buffer)

    def echo(self, frame: Any) -> memoryview:
        return self._ask(b"e", frame).buffer

    def close(self) -> None:
        self._context.destroy(linger=0)

    def _ask(self, exchange: bytes, payload: Any) -> zmq.Frame:
        self._socket.send(exchange, zmq.SNDMORE)
        self._socket.send(payload, copy=False)
        return self._socket.recv(copy=False)


class BarePyzmq(Contender):
    """REQ/REP, one server socket bound to both transports."""

    name = "pyzmq"
    requires = ("zmq",)
    lines = (
        Line("pyzmq-tcp", "bare pyzmq REQ/REP, tcp", "tcp", exchanges=_ALL),
        Line("pyzmq-ipc", "bare pyzmq REQ/REP, ipc", "ipc", exchanges=_ALL),
    )

    def serve(self, scratch: Path, ready: Callable[[Endpoints], None]) -> None:
        socket = zmq.Context().socket(zmq.REP)
        socket.bind("tcp://127.0.0.1:*")
        endpoints = {"tcp": socket.getsockopt_string(zmq.LAST_ENDPOINT)}
        if zmq.has("ipc"):
            endpoints["ipc"] = f"ipc://{scratch / 'pyzmq'}"
            socket.bind(endpoints["ipc"])
        ready(endpoints)
        while True:
            exchange = socket.recv()
            payload = socket.recv(copy=False)
            if exchange == b"f":
                socket.send(shape_answer(payload.buffer))
            elif exchange == b"m":
                socket.send(mask_answer(payload.buffer), copy=False)
            else:
                socket.send(payload, copy=False)

    def connect(self, line: Line, endpoints: Endpoints) -> Connection:
        return BareConnection(endpoints[line.transport])
