"""The paths, and what answers at each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from maskbus.adapters.http import docs_page, intake, openapi
from maskbus.adapters.http.bodies import AnyBody, EmbedBody, SegmentBody
from maskbus.adapters.http.gateway import Gateway
from maskbus.adapters.http.guard import Guard, response
from maskbus.adapters.http.problems import Refused, refusal
from maskbus_client.errors import MaskbusError


class _Work:
    """One of the paths that need a model; a route takes an object for an application, and a function for less."""

    def __init__(self, gateway: Gateway, path: str, kind: type[AnyBody]) -> None:
        self._gateway, self._path, self._kind = gateway, path, kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._gateway.serve(self._path, self._kind, scope, receive, send)


def build(gateway: Gateway, *, any_host: bool = False) -> ASGIApp:
    """Return the application.

    Args:
        gateway: What answers.
        any_host: Whether names other than this machine's own are answered to.
    """
    return Guard(routes(gateway), any_host=any_host)


def routes(gateway: Gateway) -> Starlette:
    """Return the application without its guard."""

    def work(path: str, kind: type[AnyBody]) -> Route:
        return Route(path, _Work(gateway, path, kind), methods=["POST"])

    def look(path: str, answer: Callable[[Gateway, Request], Awaitable[Response]], method: str = "GET") -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                return await answer(gateway, request)
            except MaskbusError as error:
                return response(refusal(error))

        return Route(path, endpoint, methods=[method])

    async def description(request: Request) -> Response:
        return Response(msgspec.json.encode(openapi.document()), media_type=intake.JSON)

    async def page(request: Request) -> Response:
        text = docs_page.page(str(request.base_url).rstrip("/"))
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        return HTMLResponse(text, headers={"Content-Security-Policy": policy})

    return Starlette(
        routes=[
            work("/segment", SegmentBody),
            work("/embed", EmbedBody),
            look("/images/{image_id}", Gateway.release, "DELETE"),
            look("/models", Gateway.models),
            look("/healthz", Gateway.health),
            look("/readyz", Gateway.ready),
            look("/metrics", Gateway.metrics),
            Route("/openapi.json", description),
            Route("/docs", page),
            Route("/", page),
        ],
        exception_handlers={HTTPException: _http_problem, Refused: _refused},
    )


async def _refused(request: Request, error: Exception) -> Response:
    return response(refusal(error))


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        refused = Refused(
            "method_not_allowed", f"{request.method} is not for {request.url.path}.", headers={"Allow": allowed}
        )
    elif error.status_code == 404:
        refused = Refused("not_found", f"There is nothing at {request.url.path[:200]}; /docs says what there is.")
    else:
        refused = Refused("invalid_field", str(error.detail), status=error.status_code)
    return response(refused)
