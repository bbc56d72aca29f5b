"""The description of the gateway for programs (OpenAPI 3.1), made from the structs that it reads and writes."""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from maskbus import __version__, documented
from maskbus.adapters.http import intake
from maskbus.adapters.http.bodies import (
    EmbedBody,
    EverythingOptions,
    MaskInput,
    PostProcessing,
    Route,
    SegmentBody,
    TextOptions,
)
from maskbus.adapters.http.problems import OWN, STATUSES
from maskbus.adapters.http.results import (
    Array,
    EmbedResult,
    HealthResult,
    MaskResult,
    ModelsResult,
    Problem,
    SegmentResult,
)
from maskbus_wire import prompts, replies

_STRUCTS = (SegmentBody, EmbedBody, SegmentResult, EmbedResult, ModelsResult, HealthResult, Problem)
_ALL = (
    *_STRUCTS,
    MaskResult,
    Array,
    MaskInput,
    prompts.LogitsPrompt,
    Route,
    PostProcessing,
    TextOptions,
    EverythingOptions,
    replies.Attempt,
    replies.Model,
    replies.RouteInfo,
    replies.Rle,
    replies.TextScore,
    replies.Timings,
)
_IMAGE_ID = {"name": "image_id", "in": "path", "required": True, "schema": {"type": "string"}}
_TEMPLATE = "#/components/schemas/{name}"

_PROBLEM = {intake.JSON: {"schema": {"$ref": _TEMPLATE.format(name="Problem")}}}


@functools.cache
def document() -> dict[str, Any]:
    """Return the whole document."""
    _, schemas = msgspec.json.schema_components(_STRUCTS, ref_template=_TEMPLATE)
    for kind in _ALL:
        _describe(schemas[kind.__name__], kind)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "maskbus",
            "version": __version__,
            "description": "Segmentation masks over HTTP: images and prompts in, masks out.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/segment": {"post": _work("Masks of what a prompt points at, or of everything", "Segment", png=True)},
            "/embed": {"post": _work("Have an image kept, so that prompts need not send it", "Embed")},
            "/images/{image_id}": {
                "delete": {"parameters": [_IMAGE_ID], **_look("Let go of an image that is kept", "HealthResult")}
            },
            "/models": {"get": _look("What the node offers", "ModelsResult")},
            "/healthz": {"get": _look("Whether the gateway lives", "HealthResult")},
            "/readyz": {"get": _look("Whether a model can answer", "HealthResult")},
            "/metrics": {"get": _other("Metrics for Prometheus", "text/plain")},
            "/openapi.json": {"get": _other("A description of all this for programs", intake.JSON)},
            "/docs": {"get": _other("A description of all this for people", "text/html")},
            "/": {"get": _other("The same as /docs", "text/html")},
        },
        "components": {"schemas": schemas},
    }


def _describe(schema: dict[str, Any], kind: type) -> None:
    words = documented.of(kind)
    named = {field.name: field.encode_name for field in msgspec.structs.fields(kind)}
    for name, text in words.items():
        field = schema["properties"].get(named.get(name, name))
        if field is not None:
            field["description"] = text


def _work(summary: str, name: str, *, png: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = {"$ref": _TEMPLATE.format(name=f"{name}Body")}
    file = {"type": "string", "format": "binary"}
    form: dict[str, Any] = {"allOf": [body], "properties": {"image": file, "request": body}}
    if png:
        form["properties"] = {**form["properties"], "mask": file}
    content: dict[str, Any] = {
        intake.JSON: {"schema": body},
        intake.MULTIPART: {"schema": form},
        **{media: {"schema": file} for media in intake.IMAGES},
    }
    answers: dict[str, Any] = {intake.JSON: {"schema": {"$ref": _TEMPLATE.format(name=f"{name}Result")}}}
    if png:
        answers["image/png"] = {"schema": file}
    where = "The fields of a JSON body may stand in the address as well, and those of a form are text."
    return {
        "summary": summary,
        "description": where,
        "requestBody": {"required": True, "content": content},
        "responses": {"200": {"description": "The answer", "content": answers}, **_problems()},
    }


def _look(summary: str, result: str) -> dict[str, Any]:
    schema = {"$ref": _TEMPLATE.format(name=result)}
    return {
        "summary": summary,
        "responses": {
            "200": {"description": "The answer", "content": {intake.JSON: {"schema": schema}}},
            "default": {"description": "There is none", "content": _PROBLEM},
        },
    }


def _other(summary: str, media: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {"200": {"description": summary, "content": {media: {"schema": {"type": "string"}}}}},
    }


def _problems() -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code, status in STATUSES.items():
        by_status.setdefault(status, []).append(code)
    for code, (status, _) in OWN.items():
        by_status.setdefault(status, []).append(code)
    return {
        str(status): {"description": ", ".join(sorted(codes)), "content": _PROBLEM}
        for status, codes in sorted(by_status.items())
    }
