"""maskbus: a whole node with its `echo` model in a worker process, by its own client and by a plain REQ socket.

The plain socket writes the wire by hand, so that the difference between the two lines is what the client costs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt
import zmq

from contenders.base import (
    ANSWER_S,
    HEIGHT,
    WIDTH,
    Connection,
    Contender,
    Endpoints,
    Line,
    Pixels,
    read_mask,
)

_MODEL = "echo"
_BOX = (0, 0, WIDTH, HEIGHT)
_SMALL = (4, 5, 3)  # the image nearest to 64 bytes that has three channels


def _small_image(payload: bytes) -> Pixels:
    return np.frombuffer(payload, np.uint8, count=np.prod(_SMALL, dtype=int)).reshape(_SMALL)


class ClientConnection:
    """The package's own synchronous client."""

    def __init__(self, endpoint: str) -> None:
        from maskbus_client import Client

        self._client = Client(endpoint, deadline=ANSWER_S)

    def small(self, payload: bytes) -> bool:
        return self._size(_small_image(payload)) == _SMALL[:2]

    def frame(self, frame: Any) -> tuple[int, int]:
        return self._size(frame)

    def mask(self, frame: Any) -> npt.NDArray[Any]:
        result = self._client.segment(frame, model=_MODEL, box=_BOX, encoding="raw")
        array: npt.NDArray[Any] = result.masks[0].to_array()
        return array

    def close(self) -> None:
        self._client.close()

    def _size(self, image: Any) -> tuple[int, int]:
        result = self._client.segment(image, model=_MODEL, encoding=[])
        return result.height, result.width


class SharedConnection(ClientConnection):
    """The same with `shared_memory=True`: each frame is copied into a slot, and a raw mask comes back in one."""

    def __init__(self, endpoint: str) -> None:
        from maskbus_client import Client

        self._client = Client(endpoint, deadline=ANSWER_S, shared_memory=True)

    def mask(self, frame: Any) -> npt.NDArray[Any]:
        result = self._client.segment(frame, model=_MODEL, box=_BOX, encoding="raw")
        return read_mask(result.masks[0].bytes("raw"))


class PlacedConnection(SharedConnection):
    """A camera that writes into the slot itself: of the frame no more is written here than its first bytes."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint)
        self._memory = self._client.shared_memory(slots=4, slot_bytes=HEIGHT * WIDTH * 3)

    def frame(self, frame: Any) -> tuple[int, int]:
        with self._memory.image(height=HEIGHT, width=WIDTH, encoding="rgb8") as image:
            image.array[0, :8] = frame[0, :8]
            return self._size(image)

    def mask(self, frame: Any) -> npt.NDArray[Any]:
        with self._memory.image(height=HEIGHT, width=WIDTH, encoding="rgb8") as image:
            image.array[0, :8] = frame[0, :8]
            return super().mask(image)


class PlainConnection:
    """A REQ socket and msgpack: the least a client can be."""

    def __init__(self, endpoint: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.REQ)
        self._socket.rcvtimeo = int(ANSWER_S * 1000)
        self._socket.linger = 0
        self._socket.connect(endpoint)
        self._small_header = _header(*_SMALL[:2], encodings=[])
        self._frame_header = _header(HEIGHT, WIDTH, encodings=[])
        self._mask_header = _header(HEIGHT, WIDTH, encodings=["raw"], prompt={"boxes": [_BOX]})

    def small(self, payload: bytes) -> bool:
        reply, _ = self._ask(self._small_header, _small_image(payload))
        return (reply["height"], reply["width"]) == _SMALL[:2]

    def frame(self, frame: Any) -> tuple[int, int]:
        reply, _ = self._ask(self._frame_header, frame)
        return reply["height"], reply["width"]

    def mask(self, frame: Any) -> Pixels:
        reply, attachments = self._ask(self._mask_header, frame)
        return read_mask(attachments[reply["masks"][0]["raw"]["attachment"]].buffer)

    def close(self) -> None:
        self._context.destroy(linger=0)

    def _ask(self, header: bytes, image: Pixels) -> tuple[dict[str, Any], list[zmq.Frame]]:
        self._socket.send(header, zmq.SNDMORE)
        self._socket.send(image.data, copy=False)
        first, *attachments = self._socket.recv_multipart(copy=False)
        reply = msgpack.unpackb(first.buffer)
        if reply["reply"] == "error":
            raise RuntimeError(f"{reply['code']}: {reply['message']} {reply.get('path', '')}")
        return reply, attachments


def _header(height: int, width: int, **fields: Any) -> bytes:
    image = {"attachment": 0, "encoding": "rgb8", "height": height, "width": width}
    return bytes(msgpack.packb({"maskbus": "1.0", "op": "segment", "model": _MODEL, "image": image, **fields}))


class Maskbus(Contender):
    """One node bound to both transports."""

    name = "maskbus"
    requires = ("maskbus.cli", "maskbus_client", "msgpack", "zmq")
    lines = (
        Line("maskbus-tcp", "maskbus node and worker, tcp", "tcp"),
        Line("maskbus-ipc", "maskbus node and worker, ipc", "ipc"),
        Line("maskbus-shm-tcp", "maskbus, copied into shared memory, rung over tcp", "tcp"),
        Line("maskbus-shm-ipc", "maskbus, copied into shared memory, rung over ipc", "ipc"),
        Line("maskbus-placed-tcp", "maskbus, written in shared memory, rung over tcp", "tcp"),
        Line("maskbus-placed-ipc", "maskbus, written in shared memory, rung over ipc", "ipc"),
        Line("maskbus-plain-tcp", "maskbus asked by a plain REQ socket, tcp", "tcp", reference=True),
        Line("maskbus-plain-ipc", "maskbus asked by a plain REQ socket, ipc", "ipc", reference=True),
    )

    def serve(self, scratch: Path, ready: Callable[[Endpoints], None]) -> None:
        from maskbus.cli import main

        arguments = ["serve", "--model", _MODEL, "--default-model", _MODEL, "--log-level", "warning", "--no-ipc"]
        arguments += ["--bind", "tcp://127.0.0.1:*", "--publish", "tcp://127.0.0.1:*"]
        if zmq.has("ipc"):
            arguments += ["--bind", f"ipc://{scratch / 'maskbus'}"]
        raise SystemExit(main(arguments))

    def read_ready(self, line: str) -> Endpoints | None:
        """Read the line that a node prints by itself."""
        from maskbus.cli.ready_line import parse

        said = parse(line)
        return None if said is None else {endpoint.partition("://")[0]: endpoint for endpoint in said.endpoints}

    def connect(self, line: Line, endpoints: Endpoints) -> Connection:
        endpoint = endpoints[line.transport]
        if "-shm-" in line.key:
            return SharedConnection(endpoint)
        if "-placed-" in line.key:
            return PlacedConnection(endpoint)
        return PlainConnection(endpoint) if line.reference else ClientConnection(endpoint)
