"""What happens to a request: its body is read, the node is asked, and what it says is written."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from maskbus.adapters.http import answering, body_stream, intake, translation
from maskbus.adapters.http.bodies import AnyBody, SegmentBody
from maskbus.adapters.http.body_stream import Gone
from maskbus.adapters.http.guard import response
from maskbus.adapters.http.line import Line
from maskbus.adapters.http.metrics import Metrics
from maskbus.adapters.http.node_metrics import NodeFamilies
from maskbus.adapters.http.problems import Refused, refusal
from maskbus.adapters.http.readiness import reason_against
from maskbus.adapters.http.results import HealthResult, ModelsResult
from maskbus.adapters.http.room import Room, Seat
from maskbus.adapters.http.settings import Settings
from maskbus_client.errors import MaskbusError
from maskbus_client.link import new_id
from maskbus_wire import replies, requests
from maskbus_wire.requests import Encoding

log = logging.getLogger(__name__)

T = TypeVar("T")

_PNG = "image/png"
_LARGE = 128 * 1024
"""Bytes from which on a body is read, and an answer written, beside the event loop."""
_CLOSED = 499
"""Status under which requests are counted whose clients have not waited."""
_LINGER = 1.0
"""Seconds that a client may go on with a body that has been refused, before the connection is closed."""


class Gateway:
    """Answer requests. Belongs to one event loop."""

    def __init__(self, line: Line, settings: Settings) -> None:
        self._line = line
        self._settings = settings
        self._room = Room(settings.limits)
        self._metrics = Metrics(self._room)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="maskbus http")

    async def close(self) -> None:
        """End the connections to the node."""
        await self._line.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def serve(self, path: str, kind: type[AnyBody], scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that needs a model."""
        began = time.monotonic()
        status, model = _CLOSED, ""
        try:
            with self._room.seat() as seat:
                try:
                    answer, model = await self._attend(scope, receive, kind, seat)
                except Gone:
                    return
                status = 200
                await answer(scope, receive, send)
        except Exception as error:
            if status == 200:  # the answer is on its way
                raise
            refused = refusal(error)
            status = refused.status
            if not isinstance(error, (Refused, MaskbusError)) and refused.status == 500:
                log.exception("A request failed.")
            await _refuse(refused, scope, receive, send)
        finally:
            self._metrics.count(path, status, model, time.monotonic() - began)

    async def _attend(self, scope: Scope, receive: Receive, kind: type[AnyBody], seat: Seat) -> tuple[Response, str]:
        began = time.monotonic()
        wants_picture = _wants_picture(Headers(scope=scope))
        request, attachments = await self._read(scope, receive, kind, seat, wants_picture)
        seconds = None if request.deadline_ms is None else request.deadline_ms / 1e3
        incoming = await _unless_gone(self._line.converse(request, seconds, attachments), receive)
        reply = incoming.reply
        if not isinstance(reply, replies.Answer):
            raise Refused("protocol", "What the node answered is no answer to this.")

        def write() -> Response:
            if isinstance(reply, replies.Embedded):
                return _json(answering.embedded(reply))
            assert isinstance(reply, replies.Masks)
            points = request.prompt.points if isinstance(request, requests.Segment) else ()
            result = answering.segmented(reply, incoming.attachments, points)
            if wants_picture:
                return Response(answering.picture(result), media_type=_PNG, headers={"Vary": "Accept"})
            return _json(result)

        large = isinstance(reply, replies.FoundMasks) or sum(map(len, incoming.attachments)) > _LARGE
        answer = await self._beside(write, large)
        self._metrics.stages(reply.model, reply.timings, time.monotonic() - began)
        return answer, reply.model

    async def _read(
        self, scope: Scope, receive: Receive, kind: type[AnyBody], seat: Seat, wants_picture: bool
    ) -> translation.Question:
        """Return what a request asks of the node. Of its body nothing is kept but the image."""
        headers = Headers(scope=scope)
        query = QueryParams(scope["query_string"]).multi_items()
        otherwise: list[Encoding] = ["png"] if wants_picture else ["polygon"]
        data = await body_stream.read(receive, headers, seat, self._settings.limits.body_s)

        def take() -> translation.Question:
            body, image, mask = intake.take(data, headers.get("content-type", ""), query, kind)
            if wants_picture and isinstance(body, SegmentBody):
                _check_picture(translation.wanted_of(body, otherwise))
            return translation.question_of(body, image, mask, self._settings.additions, otherwise)

        return await self._beside(take, len(data) > _LARGE)

    async def _beside(self, what: Callable[[], T], large: bool) -> T:
        """Return what `what` returns; beside the event loop where it may take a while."""
        if not large:
            return what()
        return await asyncio.get_running_loop().run_in_executor(self._threads, what)

    async def release(self, request: Request) -> Response:
        """Let go of an image."""
        release = requests.Release(id=new_id(), image_id=request.path_params["image_id"])
        await self._line.ask(release, replies.Released, self._settings.limits.ask_s)
        return _json(HealthResult(success=True, status="released"))

    async def models(self, request: Request) -> Response:
        """Say what the node offers."""
        models = await self._describe()
        return _json(
            ModelsResult(
                success=True,
                models=models.models,
                routes=models.routes,
                image_encodings=models.image_encodings,
                limits=models.limits,
            )
        )

    async def health(self, request: Request) -> Response:
        """Say that the gateway lives."""
        return _json(HealthResult(success=True, status="alive"))

    async def ready(self, request: Request) -> Response:
        """Say whether a model can answer."""
        models, stats = await asyncio.gather(self._describe(), self._stats())
        if against := reason_against(models, stats):
            raise Refused("not_ready", against)
        details = {"node": stats.node, "version": stats.version, "uptime_s": round(stats.uptime_s, 3)}
        return _json(HealthResult(success=True, status="ready", details=details))

    async def metrics(self, request: Request) -> Response:
        """Return the metrics, also where the node does not answer."""
        node = NodeFamilies(None)
        with contextlib.suppress(MaskbusError):
            node = NodeFamilies(*await asyncio.gather(self._stats(), self._streams()))
        text, content_type = self._metrics.text(request.headers.get("accept", ""), node)
        return Response(text, headers={"Content-Type": content_type})

    async def _describe(self) -> replies.Models:
        return await self._line.ask(requests.Describe(id=new_id()), replies.Models, self._settings.limits.ask_s)

    async def _stats(self) -> replies.Statistics:
        return await self._line.ask(requests.Stats(id=new_id()), replies.Statistics, self._settings.limits.ask_s)

    async def _streams(self) -> list[replies.StreamInfo]:
        found = await self._line.ask(requests.StreamList(id=new_id()), replies.Streams, self._settings.limits.ask_s)
        return found.streams


async def _unless_gone(work: Awaitable[T], receive: Receive) -> T:
    """Return what comes of `work`; if the client goes away before that, cancel it. Gone then."""
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(body_stream.until_gone(receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Gone
    finally:
        for one in (task, watch):
            one.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _refuse(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    """Send what says that there is no answer, and hear a body that is still under way to its end, for a moment."""
    answer = response(refused)
    if refused.problem.code not in ("too_large", "body_too_slow", "busy", "unsupported_media_type"):
        await answer(scope, receive, send)
        return
    answer.headers["Connection"] = "close"
    await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    await body_stream.drain(receive, _LINGER)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _json(result: msgspec.Struct) -> Response:
    return Response(answering.json_of(result), media_type=intake.JSON)


def _wants_picture(headers: Headers) -> bool:
    accepted = {one.partition(";")[0].strip().lower() for one in headers.get("accept", "").split(",")}
    return _PNG in accepted and intake.JSON not in accepted


def _check_picture(encodings: list[Encoding]) -> None:
    if len(encodings) != 1 or encodings[0] not in ("png", "overlay"):
        raise Refused("not_acceptable", "Only the encodings png and overlay, one of them, come as a PNG file.")
