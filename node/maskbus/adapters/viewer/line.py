"""Requests to the node, and its answers, over a connection that is let go of when nothing comes over it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import zmq
from msgspec.structs import replace

from maskbus_client import sockets
from maskbus_client.aio_socket import Watched
from maskbus_client.errors import ClientClosed, NodeUnreachable, ProtocolError, error_of
from maskbus_client.link import REPLY_LIMITS, new_id
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Buffer, decode_reply, encode, open_header
from maskbus_wire.replies import AnyReply, Error, Reply
from maskbus_wire.requests import AnyRequest

if TYPE_CHECKING:
    Context = zmq.Context[zmq.Socket[bytes]]

R = TypeVar("R", bound=Reply)


class Line:
    """Ask the node. Nothing is sent twice: what is asked each second is asked again anyway, and clicks are not to be.

    Belongs to the event loop that it is made in.
    """

    def __init__(self, context: Context, endpoint: str) -> None:
        self._context = context
        self._endpoint = endpoint
        self._waiting: dict[str, asyncio.Future[AnyReply]] = {}
        self._watched: Watched | None = None
        self._closed = False

    async def ask(self, request: AnyRequest, kind: type[R], patience: float) -> R:
        """Return the answer to a request.

        Args:
            request: Whatever id it has is replaced.
            kind: What the answer is to be.
            patience: Seconds that it may take.

        Raises:
            NodeError: what the node answered.
            NodeUnreachable: if it did not answer in time. The connection is made anew then: what still waits in it is
                not sent when the node is back.
            ProtocolError: if something else was answered.
            ClientClosed: once the line is closed.
        """
        if self._closed:
            raise ClientClosed("The viewer is closing.")
        if self._watched is None:
            self._watched = Watched(sockets.open_dealer(self._context, self._endpoint), self._deliver)
        watched = self._watched
        name = new_id()
        answer: asyncio.Future[AnyReply] = asyncio.get_running_loop().create_future()
        self._waiting[name] = answer
        try:
            watched.send(encode(replace(request, id=name)), copy=True)
            reply = await asyncio.wait_for(answer, patience)
        except asyncio.TimeoutError:
            if self._watched is watched:
                self._drop()
            raise NodeUnreachable(f"The node at {self._endpoint} does not answer.") from None
        finally:
            self._waiting.pop(name, None)
        if isinstance(reply, Error):
            raise error_of(reply)
        if not isinstance(reply, kind):
            raise ProtocolError(f"The node answered with a {type(reply).__name__} where {kind.__name__} was due.")
        return reply

    def close(self) -> None:
        """Close the connection. What still waits raises ClientClosed."""
        self._closed = True
        self._drop()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ClientClosed("The viewer is closing."))

    def _drop(self) -> None:
        if self._watched is not None:
            self._watched.close()
            self._watched = None

    def _deliver(self, frames: list[Buffer]) -> None:
        try:
            reply = decode_reply(open_header(frames[1:], REPLY_LIMITS)[0])
        except WireError:
            return  # nobody knows whom it answers; whoever waits runs out of patience
        answer = self._waiting.get(reply.id)
        if answer is not None and not answer.done():
            answer.set_result(reply)
