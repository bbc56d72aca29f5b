"""Dialogs about routes, text, size and post-processing, each with the echo model."""

from __future__ import annotations

from typing import Any

import numpy as np

from maskbus_wire import rle
from source import pictures
from source.vector import Json, to_json

_PIXELS = pictures.pattern().tobytes()
_RAW = {"attachment": 0, "encoding": "rgb8", "width": pictures.WIDTH, "height": pictures.HEIGHT}
_BOX = [1.0, 0.0, 4.0, 2.0]
_TEXT = {"$any": "text"}
_ABSENT = {"$any": "absent"}
_BOX_MASK = {"bbox": [1, 0, 3, 2], "area": 6}
_UNKNOWN = {"model": "no-such-model", "code": "unknown_model", "message": _TEXT}
_SEGMENT = {"op": "segment", "id": "1", "image": _RAW, "prompt": {"boxes": [_BOX]}}
_ANSWER = {"reply": "segment", "id": "1", "model": "echo", "width": 5, "height": 3}


def vectors() -> dict[str, Json]:
    """Return them by name."""
    return {**_routes(), **_texts(), **_options()}


def _dialog(about: str, *steps: Json) -> Json:
    return {"about": about, "model": "echo", "steps": to_json(steps)}


def _send(message: dict[str, Any], /, *attachments: bytes, **fields: Any) -> Json:
    return {"send": {"header": {"maskbus": "1.4", **message, **fields}, "attachments": list(attachments)}}


def _receive(message: dict[str, Any], /, **fields: Any) -> Json:
    return {"receive": {"header": {"maskbus": _TEXT, **message, **fields}, "attachments": []}}


def _error(code: str, **fields: Any) -> Json:
    return _receive({"reply": "error", "id": "1", "code": code, "message": _TEXT}, **fields)


def _routes() -> dict[str, Json]:
    def route(*models: str, **more: Any) -> Json:
        return {"route": {"models": list(models), **more}}

    embed = {"op": "embed", "id": "1", "image": _RAW}
    everything = {"op": "everything", "id": "1", "image": _RAW, "settings": {"points_per_side": 1}}
    return {
        "route": _dialog(
            "The first model is not offered; the next one answers.",
            _send(_SEGMENT, _PIXELS, **route("no-such-model", "echo")),
            _receive(_ANSWER, masks=[_BOX_MASK], tried=[_UNKNOWN]),
        ),
        "route-first": _dialog(
            "The first model answers: nothing has been tried before it.",
            _send(_SEGMENT, _PIXELS, **route("echo", "no-such-model")),
            _receive(_ANSWER, masks=[_BOX_MASK], tried=_ABSENT),
        ),
        "route-nothing-found": _dialog(
            "No mask is never good enough; but nothing better came.",
            _send({**_SEGMENT, "prompt": {}}, _PIXELS, **route("no-such-model", "echo")),
            _receive(_ANSWER, masks=[], tried=[_UNKNOWN]),
        ),
        "route-in-vain": _dialog(
            "None of the models is offered.",
            _send(_SEGMENT, _PIXELS, **route("no-such-model")),
            _error("unknown_model", tried=[_UNKNOWN]),
        ),
        "route-wrong-request": _dialog(
            "What is wrong with the request itself is no other model's business.",
            _send({**_SEGMENT, "prompt": {"points": [[5.0, 0.0]]}}, _PIXELS, **route("echo", "no-such-model")),
            _error("invalid_value", path="prompt.points[0]", tried=_ABSENT),
        ),
        "route-and-model": _dialog(
            "A model and a list of models: which of them is meant?",
            _send(_SEGMENT, _PIXELS, model="echo", **route("echo")),
            _error("invalid_value", path="model"),
        ),
        "route-unknown": _dialog(
            "What is left out of a route is that of another, which is not there.",
            _send(_SEGMENT, _PIXELS, model="no-such-route", route={"share": 0.5}),
            _error("invalid_value", path="model"),
        ),
        "route-embed": _dialog(
            "An embedding is kept by the model that made it.",
            _send(embed, _PIXELS, **route("no-such-model", "echo")),
            _receive({**_ANSWER, "reply": "embed"}, image_id=_TEXT, tried=[_UNKNOWN]),
        ),
        "route-everything": _dialog(
            "Everything, by the first model that can.",
            _send(everything, _PIXELS, **route("no-such-model", "echo")),
            _receive({**_ANSWER, "reply": "everything"}, masks=[{"bbox": [2, 1, 3, 2]}], tried=[_UNKNOWN]),
        ),
    }


def _texts() -> dict[str, Json]:
    opened = {"op": "stream.open", "id": "1", "stream": "golden-text", "model": "echo"}
    return {
        "text-unsupported": _dialog(
            "The model takes no texts.",
            _send({**_SEGMENT, "prompt": {"text": ["cup"]}}, _PIXELS, model="echo"),
            _error("unsupported_prompt", path="prompt.text"),
        ),
        "text-route": _dialog(
            "No model of the route takes texts.",
            _send({**_SEGMENT, "prompt": {"text": ["cup"]}}, _PIXELS, route={"models": ["echo"]}),
            _error(
                "unsupported_prompt",
                tried=[{"model": "echo", "code": "unsupported_prompt", "message": _TEXT}],
            ),
        ),
        "stream-text-unsupported": _dialog(
            "The model takes no texts in streams either.",
            _send(opened, prompt={"text": ["cup"]}),
            _error("unsupported_prompt", path="prompt.text", stream="golden-text"),
        ),
    }


def _options() -> dict[str, Json]:
    echo = {**_SEGMENT, "model": "echo"}
    large = {
        "image": {"attachment": 0, "encoding": "png"},
        "prompt": {"boxes": [[32.0, 16.0, 96.0, 48.0]]},
        "max_side": 64,
    }
    ring = {"mask": {"encoding": "rle", "counts": rle.encode(pictures.to_bool([".###.", ".#.#.", ".###."]))}}
    return {
        "max-side": _dialog(
            "The model is shown a picture of half the size; the answer is of the whole.",
            _send({**echo, **large}, pictures.mask_png(np.zeros((64, 128), np.bool_))),
            _receive(_ANSWER, width=128, height=64, masks=[{"bbox": [32, 16, 64, 32], "area": 2048}]),
        ),
        "max-side-small-image": _dialog(
            "The image is smaller than that.",
            _send(echo, _PIXELS, max_side=64),
            _receive(_ANSWER, masks=[_BOX_MASK]),
        ),
        "post-fill-holes": _dialog(
            "A hole of one pixel is filled.",
            _send({**echo, "prompt": ring}, _PIXELS, post={"fill_holes": 2}),
            _receive(_ANSWER, masks=[{"bbox": [1, 0, 3, 3], "area": 9}]),
            _send({**echo, "prompt": ring}, _PIXELS, post={"fill_holes": 1}),
            _receive(_ANSWER, masks=[{"bbox": [1, 0, 3, 3], "area": 8}]),
        ),
        "post-min-area": _dialog(
            "A mask of six pixels, where seven are wanted, and where six are.",
            _send(echo, _PIXELS, post={"min_area": 7}),
            _receive(_ANSWER, masks=[]),
            _send(echo, _PIXELS, post={"min_area": 6}),
            _receive(_ANSWER, masks=[_BOX_MASK]),
        ),
        "fresh": _dialog(
            "It is computed.",
            _send(echo, _PIXELS, fresh=True),
            _receive(_ANSWER, masks=[_BOX_MASK], reused=_ABSENT),
        ),
    }
