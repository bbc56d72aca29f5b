"""gRPC unary calls with raw bytes as the message.

Generic handlers with identity serializers stand in for generated protobuf classes: a message with one `bytes` field
would only add copies, so this is the faster of the two ways.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from contenders.base import (
    ANSWER_S,
    Connection,
    Contender,
    Endpoints,
    Line,
    Pixels,
    mask_answer,
    read_mask,
    read_shape,
    shape_answer,
)

_SERVICE = "bench.Transport"
_OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class GrpcConnection:
    """A channel with one callable an exchange."""

    def __init__(self, target: str, serializer: Callable[[Any], bytes] | None) -> None:
        import grpc

        self._channel = grpc.insecure_channel(target, options=_OPTIONS)
        self._small = self._channel.unary_unary(f"/{_SERVICE}/Small")
        self._frame = self._channel.unary_unary(f"/{_SERVICE}/Frame", serializer)
        self._mask = self._channel.unary_unary(f"/{_SERVICE}/Mask", serializer)

    def small(self, payload: bytes) -> bool:
        return bool(self._small(payload, timeout=ANSWER_S) == payload)

    def frame(self, frame: Any) -> tuple[int, int]:
        return read_shape(self._frame(frame, timeout=ANSWER_S))

    def mask(self, frame: Any) -> Pixels:
        return read_mask(self._mask(frame, timeout=ANSWER_S))

    def close(self) -> None:
        self._channel.close()


class GrpcUnary(Contender):
    """grpcio over tcp loopback, without TLS, message sizes unlimited."""

    name = "grpc"
    requires = ("grpc",)
    lines = (
        Line("grpc", "gRPC unary, bytes ready-made", "tcp", takes="bytes"),
        Line("grpc-array", "gRPC unary, bytes made from the array", "tcp", reference=True),
    )

    def serve(self, scratch: Path, ready: Callable[[Endpoints], None]) -> None:
        import grpc

        def method(answer: Callable[[bytes], bytes]) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(lambda request, context: answer(request))

        methods = {"Small": method(bytes), "Frame": method(shape_answer), "Mask": method(mask_answer)}
        server = grpc.server(ThreadPoolExecutor(max_workers=1), options=_OPTIONS)
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(_SERVICE, methods)])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        ready({"tcp": f"127.0.0.1:{port}"})
        server.wait_for_termination()

    def connect(self, line: Line, endpoints: Endpoints) -> Connection:
        return GrpcConnection(endpoints["tcp"], None if line.takes == "bytes" else np.ndarray.tobytes)
