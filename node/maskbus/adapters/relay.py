"""From the request's slot to the node and back, one at a time. No process and no parent here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import zmq

from maskbus.adapters.bell import Bell
from maskbus.adapters.mailbox import Mailbox, ReplyTooLarge
from maskbus_wire import frames
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Buffer, Envelope

log = logging.getLogger(__name__)

_NOW: Final = int(zmq.DONTWAIT)
_NO_COPY: Final = 16 * 1024
"""From this size on a frame is handed to the socket as it is."""


class _Kind(msgspec.Struct):
    reply: str = ""


class _Echo(msgspec.Struct):
    """What of a reply goes into the error that stands in for it."""

    id: str = ""
    stamp: int | None = None
    frame_id: str | None = None
    stream: str | None = None
    seq: int | None = None


class Relay:
    """Carry each request to the node as it is, and its reply back."""

    def __init__(self, mailbox: Mailbox, bell: Bell, node: zmq.Socket[bytes]) -> None:
        """Set it up.

        Args:
            mailbox: The two slots.
            bell: Rung by the parent for a request, and for the parent when its reply is there.
            node: A DEALER that is connected to the node.
        """
        self._mailbox = mailbox
        self._bell = bell
        self._node = node
        self.under_way = False
        """Whether the node has a request that it has not answered."""

    def heard(self) -> None:
        """Take what the parent rang for."""
        for generation in self._bell.hear():
            if self.under_way:
                log.warning("The parent rang while its last request was under way; that is ignored.")
                continue
            try:
                request = self._mailbox.take(generation)
            except WireError as error:
                self._answer(frames.encode(frames.error_reply(Envelope(), error)))
                continue
            if request is not None:
                self._send([b"", *request])
                self.under_way = True

    def answered(self) -> None:
        """Take what the node has answered."""
        while True:
            try:
                parts = self._node.recv_multipart(_NOW, copy=False)
            except zmq.Again:
                return
            reply = [part.buffer for part in parts[1:]]
            if msgspec.msgpack.decode(reply[0], type=_Kind).reply == "progress":
                continue  # the parent has one slot, and waits for one reply
            self.under_way = False
            self._answer(reply)

    def _send(self, message: Sequence[Buffer]) -> None:
        last = len(message) - 1
        for i, frame in enumerate(message):
            more = _NOW | int(zmq.SNDMORE) if i < last else _NOW
            self._node.send(frame, more, copy=len(frame) < _NO_COPY)

    def _answer(self, reply: Sequence[Any]) -> None:
        try:
            self._mailbox.answer(reply)
        except ReplyTooLarge as error:
            echo = msgspec.msgpack.decode(reply[0], type=_Echo)
            refusal = WireError(
                "too_large",
                f"{error} Ask for a smaller encoding, or start the child with a larger --mapping.",
                "encodings",
            )
            envelope = Envelope(echo.id, echo.stamp, echo.frame_id, echo.stream, echo.seq)
            self._mailbox.answer(frames.encode(frames.error_reply(envelope, refusal)))
        self._bell.ring(self._mailbox.generation)
