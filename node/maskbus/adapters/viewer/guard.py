"""Who may talk to the server at all: pages that it has served itself, under a name that means this machine."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_REFUSAL = "This server answers to 127.0.0.1 and localhost only.\n"


class Guard:
    """Turn away what another site's page could send, and tell browsers to load nothing from elsewhere.

    A page of another site may reach this port under a name that it has pointed here (DNS rebinding): its `Host` gives
    it away. It may open a WebSocket, which browsers allow across sites: its `Origin` gives it away.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may come in."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        allowed = is_here(host)
        if scope["type"] == "websocket":
            if not allowed or headers.get("origin") != f"http://{host}":
                await WebSocketClose()(scope, receive, send)
                return
            await self._app(scope, receive, send)
            return

        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_headers(host if allowed else ""))
            await send(message)

        refusal = PlainTextResponse(_REFUSAL, 403)
        await (self._app if allowed else refusal)(scope, receive, guarded)


def is_here(host: str) -> bool:
    """Tell whether a `Host` header means this machine; any port does, as that of a tunnel is another."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, ""
    return name.lower() in _NAMES and (not port or (port.isascii() and port.isdigit()))


def _headers(host: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        f"connect-src 'self'{f' ws://{host}' if host else ''}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
