"""Valid messages about routes, the choice of masks by text, post-processing, and answers that are kept."""

from __future__ import annotations

from typing import Any

from maskbus_wire import geometry, rle
from maskbus_wire.prompts import Image, Prompt
from maskbus_wire.replies import (
    Attempt,
    CacheStats,
    Embedded,
    Error,
    FoundMasks,
    Mask,
    Masks,
    Model,
    Models,
    ModelStats,
    Rle,
    RouteInfo,
    Statistics,
    StreamCounts,
    TextScore,
    Timings,
)
from maskbus_wire.requests import Embed, Everything, PostProcessing, Route, Segment, StreamOpen, TextOptions
from source import pictures
from source.vector import Json, plain, typed

_HELD = Image(image_id="f3a9c1")
_ARRAYS = [pictures.to_bool(rows) for rows in pictures.MASKS]
_HEIGHT, _WIDTH = _ARRAYS[0].shape
_ROUTE = Route(models=["fastsam", "mobile-sam", "grabcut"], min_predicted_iou=0.75, share=0.5)
_POST = PostProcessing(fill_holes=64, remove_islands=32, smooth=2.5, min_area=100, max_contours=3, max_error=1.5)
_TRIED = [
    Attempt(model="fastsam", code="model_unavailable", message="Its weights are not there."),
    Attempt(model="mobile-sam", code="nothing_found", message="No mask is good enough.", ms=12.5),
]


def vectors() -> dict[str, Json]:
    """Return them by name."""
    return {**_routes(), **_options(), **_texts(), **_replies(), **_scored(), **_describing(), **_other_ways()}


def _routes() -> dict[str, Json]:
    def routed(about: str, route: Route, **more: Any) -> Json:
        return typed(Segment(id="route", image=_HELD, route=route, **more), about)

    names = [f"model-{i}" for i in range(15)]
    return {
        "route": routed("Every field of a route.", _ROUTE),
        "route-empty": routed("As the node is configured.", Route()),
        "route-named": routed("Another limit for a route of the node's.", Route(min_predicted_iou=0.5), model="auto"),
        "route-least": routed("Any mask, in hardly any time.", Route(models=["a"], min_predicted_iou=0.0, share=1e-9)),
        "route-most": routed(
            "16 models, the longest name, and all of the time.",
            Route(models=[*names, "é" * 256], min_predicted_iou=1.0, share=1.0),
        ),
        "route-embed": typed(Embed(id="1", image=_HELD, route=Route(models=["mobile-sam", "echo"])), "For embeddings."),
        "route-everything": typed(
            Everything(id="2", image=_HELD, route=_ROUTE, lane="batch", fresh=True, max_side=1024, post=_POST),
            "With all that requests for masks may have as well.",
        ),
    }


def _options() -> dict[str, Json]:
    whole = Segment(
        id="3",
        image=_HELD,
        route=_ROUTE,
        encodings=["polygon"],
        keep=True,
        fresh=True,
        max_side=512,
        post=_POST,
        prompt=Prompt(text=["red cup"], negative_text=["glass"]),
        multimask=True,
        text_options=TextOptions(select="softmax", threshold=0.25, combine="union", background="blur", margin=0.125),
        options={"template": "a photo of {}"},
    )
    most = PostProcessing(
        fill_holes=2**63 - 1,
        remove_islands=2**63 - 1,
        smooth=64.0,
        min_area=2**63 - 1,
        max_contours=65_535,
        max_error=64.0,
    )
    return {
        "options-all": typed(whole, "All of them at once, in their order."),
        "options-fresh": typed(Segment(id="4", image=_HELD, fresh=True), "The answer must be computed."),
        "options-max-side-least": typed(Segment(id="5", image=_HELD, max_side=64), "The smallest side."),
        "options-max-side-most": typed(Segment(id="6", image=_HELD, max_side=32_767), "The largest side."),
        "post-empty": typed(Segment(id="7", image=_HELD, post=PostProcessing()), "Nothing, whatever the node does."),
        "post-most": typed(Segment(id="8", image=_HELD, post=most), "The most that each step may have."),
        "post-everything": typed(
            Everything(id="9", image=_HELD, post=PostProcessing(fill_holes=9, smooth=0.5)), "Two of the steps."
        ),
        "stream-open-options": typed(
            StreamOpen(
                id="1",
                stream="front",
                prompt=Prompt(text=["cup"]),
                max_side=640,
                post=_POST,
                text_options=TextOptions(select="top", top=3),
                options={"template": "a {}"},
            ),
            "A stream asked by text, its frames made smaller, its masks smoothed.",
        ),
        "stream-open-text-later": typed(
            StreamOpen(id="1", stream="front", text_options=TextOptions(combine="union")), "Its text comes later."
        ),
        "stream-open-tracked-post": typed(
            StreamOpen(id="1", stream="front", track=True, post=PostProcessing(fill_holes=16)),
            "Masks of objects that are followed, without holes.",
        ),
    }


def _texts() -> dict[str, Json]:
    def asked(about: str, **options: Any) -> Json:
        prompt = Prompt(text=["red cup", "Löffel"], negative_text=["glass"])
        return typed(Segment(id="text", image=_HELD, prompt=prompt, text_options=TextOptions(**options)), about)

    return {
        "text-options-empty": asked("As the model is configured."),
        "text-options-softmax": asked("By probability.", select="softmax", threshold=0.0),
        "text-options-softmax-most": asked("Only what is certain.", threshold=1.0, margin=0.0, background="black"),
        "text-options-cosine": asked("By similarity.", select="cosine", threshold=-1.0, combine="each"),
        "text-options-cosine-most": asked("The most.", select="cosine", threshold=1.0, margin=4.0, background="keep"),
        "text-options-top": asked("The best one of each text.", select="top", background="mean"),
        "text-options-top-most": asked("All that can be counted.", select="top", top=65_535),
    }


def _replies() -> dict[str, Json]:
    found = {"model": "grabcut", "width": _WIDTH, "height": _HEIGHT}
    mask = Mask(bbox=(0, 0, 5, 3), area=15, predicted_iou=0.875, stability_score=0.5)
    timings = Timings(total_ms=0.25)
    busy = Attempt(model="grabcut", code="busy", message="64 requests wait.", ms=0.5)
    out = Attempt(model="fastsam", code="left_out", message="It has failed three times; it is left out for 30 s.")
    tried = [out, _TRIED[1], busy]
    return {
        "reply-tried": typed(
            Masks(id="1", **found, masks=[mask], encodings=[], tried=_TRIED), "Two models have not answered."
        ),
        "reply-reused": typed(
            Masks(id="2", **found, masks=[mask], encodings=[], reused=True, timings=timings), "It was there already."
        ),
        "reply-everything-tried": typed(
            FoundMasks(id="3", **found, masks=[], encodings=["rle"], tried=_TRIED[:1], reused=True),
            "The same of everything.",
        ),
        "reply-embed-tried": typed(Embedded(id="4", **found, image_id="f3a9c1", tried=_TRIED[1:]), "Of an embedding."),
        "error-tried": typed(
            Error(
                id="5",
                code="busy",
                message="No model of the route has answered.",
                queue_length=64,
                tried=tried,
                stamp=1,
                frame_id="cam",
                stream="s",
                seq=2,
            ),
            "Every field: none of them has answered.",
        ),
    }


def _scored() -> dict[str, Json]:
    runs = [Rle(size=(_HEIGHT, _WIDTH), counts=rle.encode(array)) for array in _ARRAYS[:2]]
    chosen = [("red cup", 0.3125, 0.75), ("Löffel", 0.25, 0.125)]
    masks = [
        Mask(
            bbox=geometry.bbox(array),
            area=geometry.area(array),
            predicted_iou=0.875,
            stability_score=0.5,
            label=label,
            similarity=similarity,
            probability=probability,
            rle=run,
        )
        for array, run, (label, similarity, probability) in zip(_ARRAYS[:2], runs, chosen, strict=True)
    ]
    scores = [
        TextScore(text="red cup", masks=2, proposals=17, similarity=0.3125, probability=0.75),
        TextScore(text="Löffel", masks=1, proposals=17, similarity=0.25, probability=0.125),
    ]
    none = TextScore(text="elephant", masks=0, proposals=17, similarity=-0.0625, probability=0.03125)
    nothing = TextScore(text="elephant", masks=0, proposals=0)
    answer = {"model": "text", "width": _WIDTH, "height": _HEIGHT, "encodings": ["rle"]}
    return {
        "masks-by-text": typed(
            Masks(id="1", **answer, masks=masks, scores=scores),
            "Two texts, and how they have fared.",
            masks=pictures.MASKS[:2],
        ),
        "masks-by-text-none": typed(
            Masks(id="2", **answer, masks=[], scores=[none]), "No mask, and what came nearest."
        ),
        "masks-by-text-nothing": typed(
            Masks(id="3", **answer, masks=[], scores=[nothing]), "There was nothing to look at."
        ),
        "published-by-text": typed(
            Masks(
                **answer,
                masks=masks[:1],
                scores=scores[:1],
                stream="front",
                seq=3,
                topic="masks/front/text",
                published=5,
                counts=StreamCounts(received=4, answered=3),
            ),
            "The result of a stream that was asked by text.",
            topic="masks/front/text",
            masks=pictures.MASKS[:1],
        ),
    }


def _describing() -> dict[str, Json]:
    model = Model(
        name="text",
        title="Masks by what they show",
        prompts=["text"],
        encodings=["rle"],
        licence="MIT",
        weights="present",
        ready=True,
        default_for_text=True,
    )
    routes = [
        RouteInfo(name="auto", models=["fastsam", "grabcut"], min_predicted_iou=0.0),
        RouteInfo(name="careful", models=["mobile-sam"], min_predicted_iou=0.75, share=0.5),
    ]
    cache = CacheStats(store="memory", hits=7, misses=3, stored=3, evictions=1, errors=2, entries=2, bytes=65_536)
    seen = {"id": "6", "node": "a1b2c3", "version": "0.1.0", "uptime_s": 3.5, "workers": []}
    return {
        "reply-describe-routes": typed(
            Models(id="4", models=[model], image_encodings=["rgb8"], limits={"points": 1000}, routes=routes),
            "Two routes, and the model that answers texts.",
        ),
        "reply-stats-cache": typed(
            Statistics(**seen, models=[ModelStats(name="fastsam", left_out_s=21.5)], cache=cache, rss_bytes=1),
            "A cache of answers, and a model that is left out.",
        ),
        "reply-stats-no-cache": typed(Statistics(**seen, models=[], cache=CacheStats(store="none")), "No cache."),
    }


def _other_ways() -> dict[str, Json]:
    request = {
        "maskbus": "1.9",
        "op": "segment",
        "id": "later",
        "image": {"image_id": "f3a9c1"},
        "route": {"models": ["a", "b"], "min_predicted_iou": 1, "share": None, "race": True},
        "post": {"smooth": 2, "sharpen": 3},
        "prompt": {"text": ["cup"], "language": "en"},
        "text_options": {"select": None, "threshold": 0, "rerank": {"steps": [1]}},
        "max_side": 640,
    }
    opened = {
        "maskbus": "1.9",
        "op": "stream.open",
        "stream": "front",
        "post": {"fill_holes": 4, "colour": "red"},
        "text_options": {"select": "top", "top": 2, "language": "de"},
    }
    answer = {
        "maskbus": "1.9",
        "reply": "segment",
        "id": "later",
        "model": "b",
        "width": 2,
        "height": 1,
        "masks": [
            {"bbox": [0, 0, 1, 1], "area": 1, "predicted_iou": 1, "stability_score": 0, "probability": 1, "why": "red"}
        ],
        "tried": [{"model": "a", "code": "too_hot", "message": "Wait.", "ms": 3, "degrees": 90}],
        "reused": True,
        "scores": [{"text": "cup", "masks": 1, "proposals": 2, "similarity": None, "probability": 1, "rank": 1}],
    }
    error = {
        "maskbus": "1.9",
        "reply": "error",
        "id": "later",
        "code": "too_hot",
        "message": "Wait.",
        "tried": [{"model": "a", "code": "too_hot", "message": "Wait.", "degrees": 90}],
    }
    offered = {
        "maskbus": "1.9",
        "reply": "describe",
        "models": [],
        "image_encodings": [],
        "limits": {},
        "routes": [{"name": "auto", "models": [], "min_predicted_iou": 0, "share": None, "race": True}],
    }
    seen = {
        "maskbus": "1.9",
        "reply": "stats",
        "node": "a1b2c3",
        "version": "2",
        "uptime_s": 1,
        "models": [{"name": "a", "left_out_s": 2, "left_out_why": "hot"}],
        "workers": [],
        "cache": {"store": "disk", "hits": 1, "files": 3},
    }
    about = "Unknown fields of a later minor; nil; ints for floats."
    return {
        "options-later-minor": plain("request", request, about),
        "stream-open-options-later-minor": plain("request", opened, about),
        "reply-options-later-minor": plain("reply", answer, about),
        "error-tried-later-minor": plain("reply", error, about),
        "reply-describe-later-minor": plain("reply", offered, about),
        "reply-stats-later-minor": plain("reply", seen, about),
    }
