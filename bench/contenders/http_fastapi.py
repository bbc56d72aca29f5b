"""FastAPI on uvicorn, asked by an httpx client that keeps its connection: raw bodies, and multipart uploads.

FastAPI reads the annotations of its routes when they are made, and these name classes that are imported late:
annotations must not become strings in this file.
"""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

from contenders.base import (
    ANSWER_S,
    Connection,
    Contender,
    Endpoints,
    Line,
    Pixels,
    mask_answer,
    read_mask,
    read_shape,
    shape_answer,
)

_OCTETS = "application/octet-stream"


class HttpConnection:
    """An httpx client with keep-alive; the path names the exchange."""

    def __init__(self, url: str, *, multipart: bool) -> None:
        import httpx

        # trust_env: a proxy from the environment must not stand between two processes of one machine.
        self._client = httpx.Client(base_url=url, timeout=ANSWER_S, trust_env=False)
        self._multipart = multipart

    def small(self, payload: bytes) -> bool:
        return self._post("small", payload) == payload

    def frame(self, frame: Any) -> tuple[int, int]:
        return read_shape(self._post("frame", frame))

    def mask(self, frame: Any) -> Pixels:
        return read_mask(self._post("mask", frame))

    def close(self) -> None:
        self._client.close()

    def _post(self, exchange: str, payload: bytes) -> bytes:
        if self._multipart:
            response = self._client.post(f"/multipart/{exchange}", files={"image": ("image.raw", payload, _OCTETS)})
        else:
            response = self._client.post(f"/raw/{exchange}", content=payload, headers={"content-type": _OCTETS})
        response.raise_for_status()
        return response.content


class FastApi(Contender):
    """One uvicorn worker over tcp loopback, plain HTTP/1.1, with nothing beside uvicorn itself."""

    name = "fastapi"
    requires = ("fastapi", "uvicorn", "httpx", "python_multipart")
    lines = (
        Line("fastapi-raw", "FastAPI, raw body", "tcp", takes="bytes"),
        Line("fastapi-multipart", "FastAPI, multipart upload", "tcp", takes="bytes"),
    )
    http: ClassVar[Literal["h11", "httptools"]] = "h11"
    loop: ClassVar[Literal["asyncio", "uvloop"]] = "asyncio"

    def serve(self, scratch: Path, ready: Callable[[Endpoints], None]) -> None:
        import uvicorn

        class Announcing(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets=sockets)
                # uvicorn binds by itself: asyncio sets TCP_NODELAY only on sockets whose protocol number says TCP. That
                # of a listener made by socket.socket() is 0, and each small answer would wait 40 ms for a delayed ACK.
                ready({"tcp": f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}"})

        config = uvicorn.Config(
            _application(),
            host="127.0.0.1",
            port=0,
            log_level="warning",
            access_log=False,
            http=self.http,
            loop=self.loop,
        )
        Announcing(config).run()

    def connect(self, line: Line, endpoints: Endpoints) -> Connection:
        return HttpConnection(endpoints["tcp"], multipart=line.key.endswith("multipart"))


class FastFastApi(FastApi):
    """The same with uvicorn's optional parts in C: httptools and uvloop."""

    name = "fastapi-fast"
    requires = (*FastApi.requires, "httptools", "uvloop")
    lines = (
        Line("fastapi-fast-raw", "FastAPI + httptools + uvloop, raw body", "tcp", takes="bytes"),
        Line("fastapi-fast-multipart", "FastAPI + httptools + uvloop, multipart", "tcp", takes="bytes"),
    )
    http = "httptools"
    loop = "uvloop"


def _application() -> Any:
    from fastapi import FastAPI, Request, Response, UploadFile

    app = FastAPI()
    answers: dict[str, Callable[[bytes], bytes]] = {"small": bytes, "frame": shape_answer, "mask": mask_answer}

    @app.post("/raw/{exchange}")
    async def raw(exchange: str, request: Request) -> Response:
        return Response(answers[exchange](await request.body()), media_type=_OCTETS)

    @app.post("/multipart/{exchange}")
    async def multipart(exchange: str, image: UploadFile) -> Response:
        return Response(answers[exchange](await image.read()), media_type=_OCTETS)

    return app
