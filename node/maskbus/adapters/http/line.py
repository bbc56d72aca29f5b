"""The way to the node: a few connections, each of them shared by many requests."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, TypeVar

import zmq

from maskbus_client.aio import AsyncClient
from maskbus_client.core import Incoming, expect
from maskbus_client.errors import DeadlineExceeded, NodeUnreachable
from maskbus_wire.frames import Buffer
from maskbus_wire.replies import Reply
from maskbus_wire.requests import AnyRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    Context = zmq.Context[zmq.Socket[bytes]]

R = TypeVar("R", bound=Reply)

_CONNECT_S = 3.0
"""Seconds that a node which was never heard may be silent."""
_RESTART_S = 5.0
"""Seconds that one which was heard may be: clients of HTTP have their own way to try again."""
_TELLING_S = 0.5
"""Seconds of silence from which on it says something about the node; less is a short deadline."""


class _Connection(AsyncClient):
    """A client that is handed requests of the wire as they are."""

    def __init__(self, context: Context, endpoint: str) -> None:
        super().__init__(endpoint, context=context, connect_timeout=_CONNECT_S)
        peer = self._operations.peer
        peer.policy = dataclasses.replace(peer.policy, restart_timeout=_RESTART_S)
        self.load = 0
        """Bytes of the requests that are under way, and something for each of them."""

    async def ask(self, request: AnyRequest, seconds: float | None, attachments: Sequence[Buffer]) -> Incoming:
        return await self._run(self._operations.ask(request, seconds, attachments))


class Line:
    """Ask the node. Belongs to one event loop."""

    def __init__(self, context: Context, endpoint: str, links: int) -> None:
        self.endpoint = endpoint
        self._connections = [_Connection(context, endpoint) for _ in range(links)]

    async def converse(
        self, request: AnyRequest, seconds: float | None = None, attachments: Sequence[Buffer] = ()
    ) -> Incoming:
        """Return the answer to a request, asked over the connection with the least under way.

        Cancelling the task that awaits it cancels the request.

        Args:
            request: With its id.
            seconds: That it may take, all tries together; None: 30.
            attachments: Bytes that go with it.

        Raises:
            NodeError: what the node answered.
            NodeUnreachable: if nobody answers, in a time that says anything about the node.
            ProtocolError: if the answer cannot be read.
            ClientClosed: once the line is closed.
        """
        try:
            return await self._converse(request, seconds, attachments)
        except NodeUnreachable:
            if seconds is None or seconds >= _TELLING_S:
                raise
            raise DeadlineExceeded(f"The node did not answer within {seconds:g} s.") from None

    async def _converse(self, request: AnyRequest, seconds: float | None, attachments: Sequence[Buffer]) -> Incoming:
        connection = min(self._connections, key=lambda one: one.load)
        load = 4096 + sum(len(part) for part in attachments)
        connection.load += load
        try:
            return await connection.ask(request, seconds, attachments)
        finally:
            connection.load -= load

    async def ask(self, request: AnyRequest, kind: type[R], seconds: float) -> R:
        """Return the answer to a request without attachments, which is to be of this kind. Errors as `converse`."""
        return expect(await self.converse(request, seconds), kind)

    async def close(self) -> None:
        """End all connections; what still waits raises ClientClosed."""
        await asyncio.gather(*(connection.close() for connection in self._connections))
