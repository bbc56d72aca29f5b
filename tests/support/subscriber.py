"""A SUB socket that knows when the node has heard of its subscriptions."""

from __future__ import annotations

import secrets

import zmq

from maskbus_wire import frames, header
from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.replies import Masks
from support.peer import PATIENCE_MS, TINY, Peer, segment


class Subscriber:
    def __init__(self, context: zmq.Context, endpoint: str, **options: int) -> None:
        self.socket = context.socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.rcvtimeo = PATIENCE_MS
        for name, value in options.items():
            setattr(self.socket, name, value)
        self.socket.connect(endpoint)

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def subscribe(self, *prefixes: str) -> None:
        for prefix in prefixes:
            self.socket.subscribe(prefix.encode())

    def subscribe_and_settle(self, peer: Peer, *prefixes: str) -> list[tuple[str, Masks, list[bytes]]]:
        """Subscribe, wait until the node has taken that in, and return the last values it sent meanwhile.

        Subscriptions of one socket are taken in order, so the last value of a topic of our own tells.
        """
        marker = f"~/{secrets.token_hex(8)}"
        reply = peer.ask(segment(publish=marker, encodings=[]), TINY)
        assert isinstance(reply, Masks), reply
        self.subscribe(*prefixes, marker)
        expected = 1 + sum(marker.startswith(prefix) for prefix in prefixes)
        found = []
        while expected:
            message = self.receive()
            if message[0] == marker:
                expected -= 1
            else:
                found.append(message)
        self.socket.unsubscribe(marker.encode())
        return found

    def receive(self) -> tuple[str, Masks, list[bytes]]:
        topic, head, *attachments = self.socket.recv_multipart()
        reply = frames.decode_reply(header.unpack(head, DEFAULT_LIMITS))
        assert isinstance(reply, Masks)
        return topic.decode(), reply, attachments

    def quiet(self, milliseconds: int = 100) -> bool:
        return not self.socket.poll(milliseconds)
