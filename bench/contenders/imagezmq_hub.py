"""imagezmq: its own ImageSender and ImageHub, REQ/REP, raw images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zmq

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


class ImagezmqConnection:
    """An ImageSender; the text beside the image names the exchange, the reply is bytes."""

    def __init__(self, endpoint: str) -> None:
        from imagezmq import ImageSender

        self._sender = ImageSender(connect_to=endpoint, REQ_REP=True)
        self._sender.zmq_socket.rcvtimeo = int(ANSWER_S * 1000)
        self._sender.zmq_socket.linger = 0

    def small(self, payload: bytes) -> bool:
        return bool(self._sender.send_image("small", np.frombuffer(payload, np.uint8)) == payload)

    def frame(self, frame: Any) -> tuple[int, int]:
        return read_shape(self._sender.send_image("frame", frame))

    def mask(self, frame: Any) -> Pixels:
        return read_mask(self._sender.send_image("mask", frame))

    def close(self) -> None:
        self._sender.close()


class Imagezmq(Contender):
    """The hub over tcp, as imagezmq is used."""

    name = "imagezmq"
    requires = ("imagezmq", "zmq")
    lines = (Line("imagezmq", "imagezmq REQ/REP", "tcp"),)

    def serve(self, scratch: Path, ready: Callable[[Endpoints], None]) -> None:
        from imagezmq import ImageHub

        hub = ImageHub(open_port="tcp://127.0.0.1:*", REQ_REP=True)
        ready({"tcp": hub.zmq_socket.getsockopt_string(zmq.LAST_ENDPOINT)})
        while True:
            exchange, image = hub.recv_image()
            if exchange == "frame":
                hub.send_reply(shape_answer(image))
            elif exchange == "mask":
                hub.send_reply(mask_answer(image))
            else:
                hub.send_reply(image.tobytes())

    def connect(self, line: Line, endpoints: Endpoints) -> Connection:
        return ImagezmqConnection(endpoints["tcp"])
