"""The bytes of a body, as many as may be, in the time that they may take."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.datastructures import Headers
from starlette.types import Receive

from maskbus.adapters.http.problems import Refused
from maskbus.adapters.http.room import Seat


class Gone(Exception):
    """The client has closed the connection."""


def announced(headers: Headers) -> int:
    """Return what `Content-Length` says, 0 where it is not there. Refused if it is no number."""
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise Refused("malformed", "Content-Length is no number of bytes.")
    return int(text)


async def read(receive: Receive, headers: Headers, seat: Seat, seconds: float) -> bytes:
    """Return the whole body; nothing is read where its announced length is too much already.

    Raises:
        Refused: if it is too large, too slow, or compressed.
        Gone: if the client has given up.
    """
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused("unsupported_media_type", "Send the body as it is, without Content-Encoding.")
    seat.hold(announced(headers))
    try:
        return await asyncio.wait_for(_all(receive, seat), seconds)
    except (asyncio.TimeoutError, TimeoutError):
        raise Refused("body_too_slow", f"The body was not there within {seconds:g} s.") from None


async def _all(receive: Receive, seat: Seat) -> bytes:
    parts: list[bytes] = []
    count = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part = message.get("body", b"")
        if part:
            count += len(part)
            seat.hold(count)
            parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def until_gone(receive: Receive) -> None:
    """Return once the client has closed the connection, the body having been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def drain(receive: Receive, seconds: float) -> None:
    """Throw away what still comes, for a moment: a client that writes does not see an answer before it is done."""

    async def rest() -> None:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return

    with contextlib.suppress(asyncio.TimeoutError, TimeoutError):
        await asyncio.wait_for(rest(), seconds)
