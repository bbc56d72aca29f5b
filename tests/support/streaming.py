"""A camera, and who watches what becomes of its frames, on bare sockets."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np
import zmq

from maskbus_wire import frames, header, replies, requests
from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.prompts import Image, Prompt
from support.peer import TINY, Peer, raw
from support.subscriber import Subscriber

BOX = Prompt(boxes=[(1, 1, 4, 3)])


class Watcher(Subscriber):
    """Receive whatever is published."""

    def next(self) -> Any:
        """Return the next message: masks or a frame."""
        return self.next_with_bytes()[0]

    def next_with_bytes(self) -> tuple[Any, list[bytes]]:
        _, head, *attachments = self.socket.recv_multipart()
        return frames.decode_reply(header.unpack(head, DEFAULT_LIMITS)), attachments

    def until(self, seq: int) -> Any:
        """Return the result of a frame; those before it are passed over."""
        while (found := self.next()).seq != seq:
            assert found.seq is None or found.seq < seq, (found.seq, seq)
        return found


class Camera(Peer):
    """Send the frames of one stream, and hold back when there is no credit."""

    def __init__(self, context: zmq.Context, endpoint: str, name: str = "front", kind: int = zmq.DEALER) -> None:
        super().__init__(context, endpoint, kind)
        self.name = name
        self.seq = 0
        self.limit: int | None = None
        self.errors: list[replies.Error] = []

    def open(self, **fields: Any) -> replies.StreamOpened:
        reply = self.ask_for(requests.StreamOpen(id="open", stream=self.name, **fields))
        assert isinstance(reply, replies.StreamOpened), reply
        self.limit, self.seq = reply.limit, 0
        return reply

    def ask_for(self, request: Any, *attachments: Any) -> Any:
        """Ask; what else comes meanwhile is taken in."""
        self.send(request, *attachments)
        while True:
            reply, _ = self.receive()
            if getattr(reply, "id", "") == request.id and not isinstance(reply, replies.StreamCredit):
                return reply
            self._take(reply)

    def frame(self, pixels: Any = TINY, **fields: Any) -> int:
        """Send a frame, once there is credit for it; return its number."""
        while self.limit is not None and self.seq >= self.limit:
            self._take(self.receive()[0])
        number, self.seq = self.seq, self.seq + 1
        request = {"stream": self.name, "seq": number, **fields}
        if "image" in request:
            attachments = [pixels] if request["image"].attachment is not None else []
        else:
            request["image"], attachments = raw(pixels), [pixels]
        self.send(requests.StreamFrame(**request), *attachments)
        return number

    def update(self, **fields: Any) -> Any:
        return self.ask_for(requests.StreamUpdate(id="update", stream=self.name, **fields))

    def close(self) -> replies.StreamCounts:
        reply = self.ask_for(requests.StreamClose(id="close", stream=self.name))
        assert isinstance(reply, replies.StreamClosed), reply
        return reply.counts

    def info(self) -> replies.StreamInfo | None:
        reply = self.ask_for(requests.StreamList(id="list"))
        return next((one for one in reply.streams if one.stream == self.name), None)

    def settle(self) -> replies.StreamInfo:
        """Wait until nothing of the stream is under way."""
        while (info := self.info()) is not None and info.under_way:
            time.sleep(0.01)  # the answer is long where there are many streams
        assert info is not None
        return info

    def error(self) -> replies.Error:
        """Return the next error."""
        while not self.errors:
            self._take(self.receive()[0])
        return self.errors.pop(0)

    def _take(self, reply: Any) -> None:
        if isinstance(reply, replies.Error):
            self.errors.append(reply)
        elif isinstance(reply, replies.StreamCredit) and reply.stream == self.name:
            self.limit = max(reply.limit, self.limit or 0)


def follow(number: int, *box: float, **prompt: Any) -> requests.TrackedObject:
    return requests.TrackedObject(object_id=number, prompt=Prompt(**(prompt or {"boxes": [box or (1, 1, 4, 3)]})))


def add_up(counts: replies.StreamCounts, under_way: int = 0) -> None:
    """Check that each frame has been accounted for."""
    assert counts.received == counts.answered + sum(counts.dropped.values()) + under_way, counts


def seen(result: Any) -> dict[int, bool]:
    """Return which objects a result has, and whether they are present."""
    return {mask.object_id: mask.present for mask in result.masks}


def plain(value: int = 0, height: int = 4, width: int = 5) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def tally(results: list[Any]) -> Counter[Any]:
    return Counter(result.stream for result in results)


def picture(data: bytes, encoding: str) -> Image:
    return Image(attachment=0, encoding=encoding)
