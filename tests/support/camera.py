"""A camera: a thread that sends frames of a stream to a node, and opens the stream again when the node has lost it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import zmq

from maskbus_wire.prompts import Image
from maskbus_wire.replies import Error
from maskbus_wire.requests import StreamClose, StreamFrame, StreamOpen
from support.peer import Peer

Picture = Callable[[int], np.ndarray]
"""Frame number → RGB uint8 (H, W, 3)."""


def disc(number: int, *, height: int = 240, width: int = 320, speed: int = 0) -> np.ndarray:
    """Draw a red disc of radius 50 about (100, 120) on a blue-green ground, and a white square about (250, 60)."""
    y, x = np.mgrid[:height, :width]
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = (20, 90, 110)
    picture[..., 1] += (x // 16 % 2 * 8).astype(np.uint8)
    picture[(x - 100 - number * speed % 100) ** 2 + (y - 120) ** 2 < 50**2] = (210, 40, 30)
    picture[(abs(x - 250) < 25) & (abs(y - 60) < 25)] = (240, 240, 235)
    return picture


class Camera:
    """Send frames until the end of a `with` block."""

    def __init__(
        self,
        endpoint: str,
        name: str,
        *,
        picture: Picture = disc,
        fps: float = 20,
        stamped: bool = True,
        context: zmq.Context[Any] | None = None,
        **settings: Any,
    ) -> None:
        self.endpoint = endpoint
        self.name = name
        self.sent = 0
        self.opened = 0
        self.errors: list[Error] = []
        self._picture = picture
        self._pause = 1 / fps
        self._stamped = stamped
        self._settings = settings
        self._context = context or zmq.Context.instance()
        self._closed = False
        self._end = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera {name}")

    def __enter__(self) -> Camera:
        self._thread.start()
        self._ready.wait(30)
        if not self.opened:
            self.__exit__()
            raise AssertionError(f"the stream was not opened: {self.errors}")
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        with Peer(self._context, self.endpoint) as peer:
            self._open(peer)
            while not self._end.wait(self._pause):
                picture = self._picture(self.sent)
                height, width = picture.shape[:2]
                image = Image(attachment=0, encoding="rgb8", width=width, height=height)
                data = np.ascontiguousarray(picture).tobytes()
                stamp = time.time_ns() if self._stamped else None
                peer.send(StreamFrame(stream=self.name, image=image, seq=self.sent, stamp=stamp), data)
                self.sent += 1
                while peer.socket.poll(0):
                    self._hear(peer)
            peer.send(StreamClose(stream=self.name, id="close"))
            while not self._closed and peer.socket.poll(1000):  # the node may have gone before
                self._hear(peer)

    def _open(self, peer: Peer) -> None:
        peer.send(StreamOpen(stream=self.name, id="open", **self._settings))
        while not self._ready.is_set() and not self._end.is_set():
            if peer.socket.poll(100):
                self._hear(peer)

    def _hear(self, peer: Peer) -> None:
        reply, _ = peer.receive()
        if isinstance(reply, Error):
            self.errors = [*self.errors[-99:], reply]
            if reply.code == "unknown_stream":
                peer.send(StreamOpen(stream=self.name, id="open", **self._settings))
            elif reply.id == "open":
                self._ready.set()
        elif reply.id == "open":
            self.opened += 1
            self._ready.set()
        self._closed = reply.id == "close"
