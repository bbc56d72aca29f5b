"""The plainest peer there is: a REQ or DEALER socket and the wire's own framing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import zmq

from maskbus_wire import frames
from maskbus_wire.limits import Limits
from maskbus_wire.prompts import Image, Prompt
from maskbus_wire.replies import AnyReply
from maskbus_wire.requests import AnyRequest, Segment

PATIENCE_MS = 20_000
_LIMITS = Limits(attachments=4096, header_objects=4_000_000)
"""Of what a node answers: there may be many masks."""
TINY = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)


class NoReply(AssertionError):
    pass


class Peer:
    def __init__(self, context: zmq.Context, endpoint: str, kind: int = zmq.DEALER) -> None:
        self.socket = context.socket(kind)
        self.socket.linger = 0
        self.socket.rcvtimeo = self.socket.sndtimeo = PATIENCE_MS
        self.socket.connect(endpoint)
        self._delimiter = [b""] if kind == zmq.DEALER else []

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send_raw(self, parts: Sequence[Any]) -> None:
        self.socket.send_multipart([*self._delimiter, *parts])

    def send(self, request: AnyRequest, *attachments: Any) -> None:
        self.send_raw(frames.encode(request, attachments))

    def receive(self) -> tuple[AnyReply, list[bytes]]:
        try:
            parts = self.socket.recv_multipart()
        except zmq.Again:
            raise NoReply(f"no reply within {PATIENCE_MS} ms") from None
        if self._delimiter:
            assert parts.pop(0) == b""
        plain, _ = frames.open_header(parts, _LIMITS)
        return frames.decode_reply(plain), parts[1:]

    def ask(self, request: AnyRequest, *attachments: Any) -> AnyReply:
        self.send(request, *attachments)
        return self.receive()[0]

    def quiet(self, milliseconds: int = 100) -> bool:
        return not self.socket.poll(milliseconds)


def raw(array: np.ndarray = TINY, **fields: Any) -> Image:
    height, width = array.shape[:2]
    return Image(**({"encoding": "rgb8", "width": width, "height": height, "attachment": 0} | fields))


def segment(model: str = "echo", *, image: Image | None = None, box: Any = None, **fields: Any) -> Segment:
    if box is not None:
        fields["prompt"] = Prompt(boxes=[box])
    return Segment(image=image or raw(), model=model, **fields)
