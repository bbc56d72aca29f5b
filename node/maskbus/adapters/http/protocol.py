"""HTTP/1.1 with an end to patience: for a request's head, and for a client that does not read its answer."""

from __future__ import annotations

import asyncio
import logging
import time
from http import HTTPStatus
from typing import Any

import h11
import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol

from maskbus.adapters.http.problems import Refused


class Seldom(logging.Filter):
    """Let each warning through once in a while: clients cause them, who must not fill the disk."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._last: dict[str, float] = {}  # by the sentence before anything is put into it: there are a few

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether it may be written."""
        if record.levelno != logging.WARNING:
            return True
        now = time.monotonic()
        if now - self._last.get(str(record.msg), -self._seconds) < self._seconds:
            return False
        self._last[str(record.msg)] = now
        return True


log = logging.getLogger(__name__)
log.addFilter(Seldom(60.0))


class PatientProtocol(H11Protocol):
    """Close connections on which a head does not come to its end, or an answer is not taken.

    h11 bounds what a head may hold; that of uvicorn's other parser may be as long as a client likes.
    """

    header_s = 10.0
    """Seconds for a head."""
    write_s = 30.0
    """Seconds without a byte being taken."""

    _head: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.logger = log

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Look whether a head has come to its end, or another has begun."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget_head()
        elif self._head is None and not self.transport.is_closing():
            self._await_head()

    def on_response_complete(self) -> None:
        """Look whether another head has begun, behind the request that has been answered."""
        super().on_response_complete()
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget_head()

    def send_400_response(self, msg: str) -> None:
        """Say that what came is no HTTP, as JSON, unless an answer is on its way; then close the connection."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            refused = Refused("malformed", msg)
            body = msgspec.json.encode(refused.problem)
            headers = [
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("connection", "close"),
            ]
            status = HTTPStatus(refused.status)
            head = h11.Response(status_code=status, headers=headers, reason=status.phrase.encode())
            self.transport.write(
                b"".join(self.conn.send(one) or b"" for one in (head, h11.Data(body), h11.EndOfMessage()))
            )
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._forget_head()
        self._unstick()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        if self._stuck is None:
            self._stuck = self.loop.call_later(self.write_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It has read."""
        self._unstick()
        super().resume_writing()

    def _await_head(self) -> None:
        self._head = self.loop.call_later(self.header_s, self.transport.abort)

    def _forget_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _unstick(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
