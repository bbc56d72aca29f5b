"""Messages about routes, post-processing and the choice of masks by text that a receiver must refuse."""

from __future__ import annotations

from typing import Any

from maskbus_wire.option_checks import POST_RANGES
from source.vector import Json, invalid

_SEGMENT: dict[str, Any] = {"maskbus": "1.4", "op": "segment", "id": "x", "image": {"image_id": "f3a9c1"}}
_EMBED: dict[str, Any] = {**_SEGMENT, "op": "embed"}
_EVERYTHING: dict[str, Any] = {**_SEGMENT, "op": "everything"}
_OPEN: dict[str, Any] = {"maskbus": "1.4", "op": "stream.open", "id": "x", "stream": "front"}
_NAN, _INFINITE = float("nan"), float("inf")


def vectors() -> dict[str, Json]:
    """Return them by name."""
    return {**_routes(), **_sides(), **_post(), **_texts(), **_streams(), **_replies()}


def _wrong(path: str, about: str, message: dict[str, Any], /, code: str = "invalid_value", **fields: Any) -> Json:
    return invalid(code, path, about, {**message, **fields})


def _routes() -> dict[str, Json]:
    def wrong(
        path: str, about: str, code: str = "invalid_value", message: dict[str, Any] = _SEGMENT, /, **route: Any
    ) -> Json:
        return _wrong(f"route.{path}", about, message, code, route=route)

    return {
        "route-many": wrong("models", "17 models.", "too_large", models=[f"model-{i}" for i in range(17)]),
        "route-name-long": wrong("models[1]", "257 characters.", "too_large", models=["echo", "x" * 257]),
        "route-name-empty": wrong("models[1]", "No name.", models=["echo", ""]),
        "route-name-twice": wrong("models[2]", "Named twice.", models=["echo", "grabcut", "echo"]),
        "route-name-int": wrong("models[0]", "A number.", "invalid_field", models=[5]),
        "route-models-text": wrong("models", "Text, not an array.", "invalid_field", models="echo"),
        "route-iou-low": wrong("min_predicted_iou", "Less than 0.", min_predicted_iou=-0.001),
        "route-iou-high": wrong("min_predicted_iou", "More than 1.", min_predicted_iou=1.001),
        "route-iou-nan": wrong("min_predicted_iou", "Not a number.", min_predicted_iou=_NAN),
        "route-iou-infinite": wrong("min_predicted_iou", "Infinite.", min_predicted_iou=_INFINITE),
        "route-iou-bool": wrong("min_predicted_iou", "A bool.", "invalid_field", min_predicted_iou=True),
        "route-share-zero": wrong("share", "No time at all.", share=0.0),
        "route-share-minus-zero": wrong("share", "Nor is this.", share=-0.0),
        "route-share-negative": wrong("share", "Less than none.", share=-0.5),
        "route-share-high": wrong("share", "More than all.", share=1.5),
        "route-share-nan": wrong("share", "Not a number.", share=_NAN),
        "route-embed": wrong("models[1]", "Named twice.", "invalid_value", _EMBED, models=["echo", "echo"]),
        "route-everything": wrong("share", "No time at all.", "invalid_value", _EVERYTHING, share=0),
        "route-list": _wrong("route", "Names without a map.", _SEGMENT, "invalid_field", route=["echo"]),
    }


def _sides() -> dict[str, Json]:
    def wrong(about: str, value: object, message: dict[str, Any] = _SEGMENT, code: str = "invalid_value") -> Json:
        return _wrong("max_side", about, message, code, max_side=value)

    return {
        "max-side-small": wrong("Too small to see anything.", 63),
        "max-side-negative": wrong("Less than nothing.", -1),
        "max-side-large": wrong("Longer than a side may be.", 32_768),
        "max-side-huge": wrong("Beyond signed 64 bits.", 2**63),
        "max-side-float": wrong("A fraction.", 512.5, code="invalid_field"),
        "max-side-bool": wrong("A bool.", True, code="invalid_field"),
        "max-side-everything": wrong("Too small to see anything.", 63, _EVERYTHING),
        "fresh-int": _wrong("fresh", "A number.", _SEGMENT, "invalid_field", fresh=1),
    }


def _post() -> dict[str, Json]:
    def wrong(name: str, about: str, value: object, code: str = "invalid_value") -> Json:
        return _wrong(f"post.{name}", about, _SEGMENT, code, post={name: value})

    found = {}
    for name, most in POST_RANGES.items():
        place = f"post-{name.replace('_', '-')}"
        found[f"{place}-low"] = wrong(name, "Less than it may be.", -1)
        if most < 2**62:
            found[f"{place}-high"] = wrong(name, "More than it may be.", most + 1)
        else:
            found[f"{place}-high"] = wrong(name, "Beyond signed 64 bits.", 2**63)
    return {
        **found,
        "post-smooth-nan": wrong("smooth", "Not a number.", _NAN),
        "post-max-error-infinite": wrong("max_error", "Infinite.", _INFINITE),
        "post-fill-holes-bool": wrong("fill_holes", "A bool.", True, "invalid_field"),
        "post-min-area-float": wrong("min_area", "A float.", 10.0, "invalid_field"),
        "post-everything": _wrong(
            "post.smooth", "The rule holds for everything as well.", _EVERYTHING, post={"smooth": 65}
        ),
    }


def _texts() -> dict[str, Json]:
    def wrong(path: str, about: str, code: str = "invalid_value", /, **options: Any) -> Json:
        asked = {**_SEGMENT, "prompt": {"text": ["cup"]}}
        return _wrong(f"text_options.{path}", about, asked, code, text_options=options)

    pointed = {**_SEGMENT, "prompt": {"points": [[1.0, 2.0]]}}
    return {
        "text-options-no-text": _wrong("text_options", "No text they are for.", pointed, text_options={"top": 1}),
        "text-options-no-prompt": _wrong("text_options", "No prompt at all.", _SEGMENT, text_options={}),
        "text-options-select": wrong("select", "No such way.", select="best"),
        "text-options-select-case": wrong("select", "In capitals.", select="Top"),
        "text-options-combine": wrong("combine", "No such way.", combine="intersection"),
        "text-options-background": wrong("background", "No such colour.", background="white"),
        "text-options-softmax-low": wrong("threshold", "Less than impossible.", select="softmax", threshold=-0.001),
        "text-options-softmax-high": wrong("threshold", "More than certain.", select="softmax", threshold=1.001),
        "text-options-unsaid-low": wrong("threshold", "It is a probability where nothing is said.", threshold=-0.5),
        "text-options-cosine-low": wrong("threshold", "Less than opposite.", select="cosine", threshold=-1.001),
        "text-options-cosine-high": wrong("threshold", "More than alike.", select="cosine", threshold=1.001),
        "text-options-threshold-nan": wrong("threshold", "Not a number.", threshold=_NAN),
        "text-options-threshold-top": wrong("threshold", "The best few have none.", select="top", threshold=0.5),
        "text-options-threshold-bool": wrong("threshold", "A bool.", "invalid_field", threshold=True),
        "text-options-top-zero": wrong("top", "None.", select="top", top=0),
        "text-options-top-negative": wrong("top", "Fewer than none.", select="top", top=-1),
        "text-options-top-many": wrong("top", "65536.", select="top", top=65_536),
        "text-options-top-unsaid": wrong("top", "It is for `top` only.", top=3),
        "text-options-top-cosine": wrong("top", "It is for `top` only.", select="cosine", top=3),
        "text-options-top-float": wrong("top", "A float.", "invalid_field", select="top", top=1.0),
        "text-options-margin-negative": wrong("margin", "Less than the box.", margin=-0.1),
        "text-options-margin-wide": wrong("margin", "More than four times the box.", margin=4.001),
        "text-options-margin-nan": wrong("margin", "Not a number.", margin=_NAN),
    }


def _streams() -> dict[str, Json]:
    def wrong(path: str, about: str, **fields: Any) -> Json:
        return _wrong(path, about, _OPEN, **fields)

    return {
        "stream-open-max-side": wrong("max_side", "Too small to see anything.", max_side=63),
        "stream-open-post": wrong("post.smooth", "Over more than 64 pixels.", post={"smooth": 64.5}),
        "stream-open-text-options": wrong("text_options.margin", "Less than the box.", text_options={"margin": -1.0}),
        "stream-open-top": wrong("text_options.top", "It is for `top` only.", text_options={"top": 3}),
        "stream-open-track-max-side": wrong("max_side", "Frames are followed as they are.", track=True, max_side=640),
        "stream-open-track-text-options": wrong(
            "text_options", "Objects are pointed at.", track=True, text_options={"select": "top"}
        ),
        "stream-open-track-min-area": wrong(
            "post.min_area", "An object stays in the answer.", track=True, post={"min_area": 1}
        ),
    }


def _replies() -> dict[str, Json]:
    def wrong(path: str, about: str, message: dict[str, Any]) -> Json:
        return invalid("invalid_field", path, about, message, kind="reply")

    start = {"maskbus": "1.4", "id": "x"}
    mask = {"bbox": [0, 0, 1, 1], "area": 1, "predicted_iou": 1.0, "stability_score": 1.0}
    masks = {**start, "reply": "segment", "model": "echo", "width": 2, "height": 1, "masks": [mask]}
    error = {**start, "reply": "error", "code": "busy", "message": "Wait."}
    tried = {"model": "echo", "code": "busy", "message": "Wait."}
    offered = {**start, "reply": "describe", "models": [], "image_encodings": [], "limits": {}}
    seen = {**start, "reply": "stats", "node": "a", "version": "1", "uptime_s": 1.0, "models": [], "workers": []}
    route = {"name": "auto", "models": ["echo"], "min_predicted_iou": 0.0}
    return {
        "reply-tried-map": wrong("tried", "Not in an array.", {**masks, "tried": tried}),
        "reply-tried-short": wrong("tried[1].code", "No code.", {**masks, "tried": [tried, {"model": "echo"}]}),
        "reply-tried-ms-text": wrong("tried[0].ms", "Text.", {**masks, "tried": [{**tried, "ms": "3"}]}),
        "reply-error-tried-short": wrong("tried[0].model", "No model.", {**error, "tried": [{}]}),
        "reply-reused-int": wrong("reused", "A number.", {**masks, "reused": 1}),
        "reply-probability-text": wrong(
            "masks[0].probability", "Text.", {**masks, "masks": [{**mask, "probability": "1"}]}
        ),
        "reply-scores-map": wrong("scores", "Not in an array.", {**masks, "scores": {}}),
        "reply-scores-short": wrong(
            "scores[0].proposals", "Of how many.", {**masks, "scores": [{"text": "cup", "masks": 1}]}
        ),
        "reply-routes-short": wrong("routes[0].models", "No models.", {**offered, "routes": [{"name": "auto"}]}),
        "reply-routes-share-text": wrong("routes[0].share", "Text.", {**offered, "routes": [{**route, "share": "1"}]}),
        "reply-cache-list": wrong("cache", "An array.", {**seen, "cache": []}),
        "reply-cache-short": wrong("cache.store", "No store.", {**seen, "cache": {"hits": 1}}),
        "reply-cache-hits-text": wrong("cache.hits", "Text.", {**seen, "cache": {"store": "memory", "hits": "1"}}),
        "reply-left-out-text": wrong(
            "models[0].left_out_s", "Text.", {**seen, "models": [{"name": "echo", "left_out_s": "3"}]}
        ),
    }
