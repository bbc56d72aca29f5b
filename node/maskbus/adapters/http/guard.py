"""What comes in at all, and what goes out in any case."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from typing import Any

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from maskbus.adapters.http.problems import Refused, refusal
from maskbus.adapters.viewer.guard import is_here

log = logging.getLogger(__name__)

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Turn away what another site's page could send, and turn every error into JSON.

    A page of another site may reach this port under a name that it has pointed here (DNS rebinding): its `Host` gives
    it away. It may post a form, which browsers allow across sites: its `Origin` gives it away.
    """

    def __init__(self, app: ASGIApp, *, any_host: bool) -> None:
        self._app = app
        self._any_host = any_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may come in."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        started = False

        async def guarded(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._check(Headers(scope=scope))
            await self._app(scope, receive, guarded)
        except asyncio.CancelledError:
            # The server ends, and this is where the request does: there is nobody above to tell.
            if not started:
                await response(Refused("shutting_down", "The gateway is stopping."))(scope, receive, guarded)
        except Exception as error:
            refused = refusal(error)
            if refused.status == 500 and not isinstance(error, Refused):
                log.exception("A request failed.")
            if started:
                raise
            await response(refused)(scope, receive, guarded)

    def _check(self, headers: Headers) -> None:
        host = headers.get("host", "")
        if not self._any_host and not is_here(host):
            raise Refused("forbidden", "This gateway answers to 127.0.0.1 and localhost only.")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise Refused("forbidden", "Pages of other sites may not ask here.")


def response(refused: Refused) -> Response:
    """Return what says that there is no answer."""
    body = msgspec.json.encode(refused.problem)
    return Response(body, refused.status, refused.headers, media_type="application/json")
