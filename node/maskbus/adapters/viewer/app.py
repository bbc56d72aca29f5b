"""The routes: the page, its files, and its WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from maskbus.adapters.viewer import browser
from maskbus.adapters.viewer.guard import Guard
from maskbus.adapters.viewer.watch import Watch

_FILES = Path(__file__).with_name("static")


def build(new_watch: Callable[[], Watch], token: str) -> ASGIApp:
    """Return the application.

    Args:
        new_watch: Makes what the pages look through; called in the event loop that serves.
        token: What a page must know.
    """
    watch: Watch

    @contextlib.asynccontextmanager
    async def watching(app: Starlette) -> AsyncIterator[None]:
        nonlocal watch
        watch = new_watch()
        task = asyncio.get_running_loop().create_task(watch.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def page(request: Request) -> Response:
        known = secrets.compare_digest(request.query_params.get("token", "").encode(), token.encode())
        return FileResponse(_FILES / ("index.html" if known else "locked.html"), 200 if known else 403)

    async def live(websocket: WebSocket) -> None:
        await browser.attend(websocket, watch, token)

    routes = [
        Route("/", page),
        WebSocketRoute("/live", live),
        Mount("/static", StaticFiles(directory=_FILES)),
    ]
    return Guard(Starlette(routes=routes, lifespan=watching))
