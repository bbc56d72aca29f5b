"""All that lies between the parent and one run of its child: process, mapping, bell."""

from __future__ import annotations

import hmac
import math
import struct
import time
from typing import Any, Final

import zmq

from maskbus_client.child_process import ChildProcess
from maskbus_client.child_slots import ChildSlots
from maskbus_client.errors import ProtocolError
from maskbus_client.link import Arrival, Garbage, Link
from maskbus_wire import shared_layout
from maskbus_wire.frames import Buffer

_GENERATION: Final = struct.Struct("<Q")
_NOW: Final = int(zmq.DONTWAIT)


class _ChildLink(Link):
    """A connection that needs no greeting: the ready line said who is there."""

    @property
    def greeted(self) -> bool:
        return True


class ChildLine:
    """Take requests to the child and replies from it, one at a time."""

    def __init__(self, process: ChildProcess, *, checksum: bool) -> None:
        """Map what the ready line names. ProtocolError if it cannot be; the child has been ended then."""
        self.process, ready = process, process.ready
        self.link: Link = _ChildLink()
        self.outgoing: list[Buffer] | None = None
        """The request that is to go out as soon as its slot is free."""
        self._rung = False
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._bell = self._context.socket(zmq.DEALER)
            self._bell.setsockopt(zmq.LINGER, 0)
            self._slots = ChildSlots(ready.mapping, ready.bytes, ready.generation, checksum=checksum)
            try:
                self._bell.connect(ready.bell)
            except zmq.ZMQError as error:
                self._slots.close()
                raise ProtocolError(f"The child's bell {ready.bell} cannot be rung: {error}.") from None
        except BaseException:
            self._context.destroy(linger=0)
            process.close()
            raise
        self._poller = zmq.Poller()
        self._poller.register(self._bell, zmq.POLLIN)
        self._poller.register(process.ended, zmq.POLLIN)

    def wait(self, until: float) -> Arrival | Garbage | None:
        """Send what is to be sent, and wait for a reply; None where `until` (monotonic seconds) comes first.

        Raises:
            ChildDied: if the child ended.
            TooLarge: if the request does not fit into its slot.
        """
        if self._rung and self._slots.state == shared_layout.WRITTEN:
            self._ring()  # an interrupt may have come between the writing and the ring
        while True:
            self._post()
            left = until - time.monotonic()
            if left <= 0:
                return None
            ready: dict[Any, int] = dict(self._poller.poll(math.ceil(left * 1e3)))
            for generation in self._heard():
                # While a request waits for its slot, this can only be the late answer to the one before it.
                arrival = self._read(generation) if self.outgoing is None else None
                if arrival is not None:
                    return arrival
            if self.process.ended.fileno() in ready:
                raise self.process.how_it_ended()

    def close(self) -> None:
        """End the child and let go of everything."""
        self._slots.close()
        self._context.destroy(linger=0)
        self.process.close()

    def _post(self) -> None:
        if self.outgoing is None or (self._rung and self._slots.state != shared_layout.FREE):
            return
        frames, self.outgoing = self.outgoing, None
        self._rung = False
        self._slots.discard()
        self._slots.write(frames)
        self._rung = True
        self._ring()

    def _ring(self) -> None:
        self._bell.send(self._slots.token + _GENERATION.pack(self._slots.generation))

    def _heard(self) -> list[int]:
        heard: list[int] = []
        token = self._slots.token
        while True:
            try:
                frames = self._bell.recv_multipart(_NOW)
            except zmq.Again:
                return heard
            if len(frames) == 1 and hmac.compare_digest(frames[0][:-8], token):
                heard.append(_GENERATION.unpack(frames[0][-8:])[0])

    def _read(self, generation: int) -> Arrival | Garbage | None:
        try:
            frames = self._slots.read(generation)
        except ProtocolError as error:
            return Garbage(str(error))
        return None if frames is None else self.link.open([b"", *frames])
