"""Dialogs with a node: what is sent, and what must come back."""

from __future__ import annotations

from typing import Any

from source import option_dialogs, pictures, stream_dialogs
from source.vector import Json, to_json

_PIXELS = pictures.pattern().tobytes()
_RAW = {"attachment": 0, "encoding": "rgb8", "width": pictures.WIDTH, "height": pictures.HEIGHT}
_TEXT, _INT, _FLOAT, _LIST, _MAP = ({"$any": kind} for kind in ("text", "int", "float", "list", "map"))
_ABSENT = {"$any": "absent"}
_BOX = [1.0, 0.0, 4.0, 2.0]
_BOX_MASK = {"bbox": [1, 0, 3, 2], "area": 6, "predicted_iou": _FLOAT, "stability_score": _FLOAT}
_BOX_RLE = {"size": [3, 5], "counts": "3210003"}


def vectors() -> dict[str, Json]:
    """Return them by name."""
    return {
        "ping": _dialog("Is the node there.", [_send(op="ping", id="1"), _receive(**_pong("1"))]),
        "ping-without-id": _dialog("An id may be left out.", [_send(op="ping"), _receive(**_pong(None))]),
        **_questions(),
        **_segment(),
        **_everything(),
        **_kept(),
        **_refused(),
        **_published(),
        **stream_dialogs.vectors(),
        **option_dialogs.vectors(),
    }


def _dialog(about: str, steps: list[Json], model: str = "") -> Json:
    return {"about": about, **({"model": model} if model else {}), "steps": to_json(steps)}


def _send(*attachments: bytes, **fields: Any) -> Json:
    return {"send": {"header": {"maskbus": "1.0", **fields}, "attachments": list(attachments)}}


def _receive(*attachments: bytes, **fields: Any) -> Json:
    return {"receive": {"header": {"maskbus": _TEXT, **fields}, "attachments": list(attachments)}}


def _error(id: str, code: str, path: str = "") -> Json:
    return _receive(reply="error", id=id, code=code, message=_TEXT, path=path or _ABSENT)


def _pong(id: str | None) -> Json:
    answer = {"reply": "ping", "node": _TEXT, "version": _TEXT, "uptime_s": _FLOAT, "endpoints": _LIST}
    return {**answer, "id": _ABSENT if id is None else id}


def _questions() -> dict[str, Json]:
    statistics = {"node": _TEXT, "version": _TEXT, "uptime_s": _FLOAT, "models": _LIST, "workers": _LIST}
    offered = {"models": _LIST, "image_encodings": _LIST, "limits": _MAP, "routes": _LIST}
    return {
        "describe": _dialog(
            "What is offered.", [_send(op="describe", id="1"), _receive(reply="describe", id="1", **offered)]
        ),
        "stats": _dialog(
            "How the node is doing.", [_send(op="stats", id="1"), _receive(reply="stats", id="1", **statistics)]
        ),
        "cancel-unknown": _dialog(
            "Nothing of that id is there: that is no error.",
            [_send(op="cancel", id="1", target="never-sent"), _receive(reply="cancel", id="1", cancelled=0)],
        ),
    }


def _segment() -> dict[str, Json]:
    ask = {"op": "segment", "model": "echo", "image": _RAW}
    answer = {"reply": "segment", "model": "echo", "width": 5, "height": 3}
    boxed = {**ask, "prompt": {"boxes": [_BOX]}}
    mask = pictures.to_bool([".###.", ".###.", "....."])
    stamps = {"stamp": -7, "frame_id": "cam", "stream": "front", "seq": 12}
    rows = mask.astype("u1").tobytes().replace(b"\1", b"\xff")
    raw = {"prompt": {"boxes": [_BOX]}, "encodings": ["raw"]}
    png = {"attachment": 0, "encoding": "png"}
    return {
        "segment-echo": _dialog(
            "The echo model answers a box as a filled mask.",
            [
                _send(_PIXELS, id="1", **boxed),
                _receive(id="1", **answer, encodings=["rle"], masks=[{**_BOX_MASK, "rle": _BOX_RLE}]),
            ],
            "echo",
        ),
        "segment-two-boxes": _dialog(
            "Two boxes are two objects, in their order.",
            [
                _send(_PIXELS, id="1", **ask, prompt={"boxes": [[0, 0, 1, 1], [0, 0, 5, 3]]}),
                _receive(
                    id="1", **answer, masks=[{"bbox": [0, 0, 1, 1], "area": 1}, {"bbox": [0, 0, 5, 3], "area": 15}]
                ),
            ],
            "echo",
        ),
        "segment-attachment": _dialog(
            "Bytes come back as an attachment.",
            [
                _send(_PIXELS, id="1", **ask, **raw),
                _receive(rows, id="1", **answer, masks=[{**_BOX_MASK, "raw": {"attachment": 0}, "rle": _ABSENT}]),
            ],
            "echo",
        ),
        "segment-inline": _dialog(
            "Bytes come back in the header.",
            [
                _send(_PIXELS, id="1", **ask, **raw, inline=True),
                _receive(id="1", **answer, masks=[{**_BOX_MASK, "raw": {"data": rows}}]),
            ],
            "echo",
        ),
        "segment-single-frame": _dialog(
            "Request and reply in a single frame each.",
            [
                _send(
                    id="1",
                    op="segment",
                    model="echo",
                    inline=True,
                    prompt={"boxes": [_BOX]},
                    encodings=["bits"],
                    image={**_RAW, "attachment": None, "data": _PIXELS},
                ),
                _receive(id="1", **answer, masks=[{"bits": {"data": b"\x70\x70\x00"}}]),
            ],
            "echo",
        ),
        "segment-no-encodings": _dialog(
            "Boxes, areas and scores only.",
            [
                _send(_PIXELS, id="1", **boxed, encodings=[]),
                _receive(id="1", **answer, masks=[{**_BOX_MASK, "rle": _ABSENT}]),
            ],
            "echo",
        ),
        "segment-file": _dialog(
            "A PNG file.",
            [
                _send(pictures.pattern_png(), id="1", op="segment", model="echo", image=png, prompt={"boxes": [_BOX]}),
                _receive(id="1", **answer, masks=[{**_BOX_MASK, "rle": _BOX_RLE}]),
            ],
            "echo",
        ),
        "segment-turned": _dialog(
            "A JPEG is turned upright: 8 wide and 16 high, and so are the prompt's coordinates.",
            [
                _send(
                    pictures.jpeg_turned(),
                    id="1",
                    op="segment",
                    model="echo",
                    image={"attachment": 0, "encoding": "jpeg"},
                    prompt={"boxes": [[0, 0, 8, 16]]},
                ),
                _receive(id="1", reply="segment", width=8, height=16, masks=[{"bbox": [0, 0, 8, 16], "area": 128}]),
            ],
            "echo",
        ),
        "segment-stamps": _dialog(
            "What belongs to the sender comes back untouched.",
            [_send(_PIXELS, id="é", **boxed, **stamps), _receive(id="é", **answer, **stamps)],
            "echo",
        ),
        "segment-unknown-fields": _dialog(
            "A later minor with fields that are not known yet.",
            [
                _send(_PIXELS, id="1", **{**boxed, "maskbus": "1.9", "mood": {"new": [1]}}),
                _receive(id="1", **answer, masks=[_BOX_MASK]),
            ],
            "echo",
        ),
    }


def _everything() -> dict[str, Json]:
    one = {"op": "everything", "model": "echo", "image": _RAW, "settings": {"points_per_side": 1}}
    found = {"bbox": [2, 1, 3, 2], "area": 6, "predicted_iou": _FLOAT, "stability_score": _FLOAT}
    where = {"point": [2.5, 1.5], "crop_box": [0, 0, 5, 3]}
    rle = {"rle": {"size": [3, 5], "counts": "721000"}}
    answer = {"reply": "everything", "model": "echo", "width": 5, "height": 3}
    return {
        "everything": _dialog(
            "One point, which the echo model answers as a square; the image ends two rows into it.",
            [
                _send(_PIXELS, id="1", **one),
                _receive(id="1", **answer, encodings=["rle"], masks=[{**found, **where, **rle}]),
            ],
            "echo",
        ),
        "everything-progress": _dialog(
            "Any number of progress replies, none included, and then the answer.",
            [
                _send(_PIXELS, id="1", **{**one, "settings": {"points_per_side": 16}}, progress=True),
                _receive(id="1", **answer, masks=_LIST),
            ],
            "echo",
        ),
        "everything-kept": _dialog(
            "The pixels are sent once.",
            [
                _send(_PIXELS, id="1", **one, keep=True),
                _receive(id="1", **answer, image_id={"$save": "image"}),
                _send(id="2", **{**one, "image": {"image_id": {"$use": "image"}}}, encodings=[]),
                _receive(id="2", **answer, masks=[{**found, **where, "rle": _ABSENT}]),
            ],
            "echo",
        ),
        "everything-refused": _dialog(
            "A preset and a setting that cannot be.",
            [
                _send(_PIXELS, id="1", **one, preset="slow"),
                _error("1", "invalid_value", "preset"),
                _send(_PIXELS, id="2", **{**one, "settings": {"points_per_side": 257}}),
                _error("2", "invalid_value", "settings.points_per_side"),
            ],
            "echo",
        ),
    }


def _kept() -> dict[str, Json]:
    ask = {"op": "segment", "model": "echo"}
    held = {"image": {"image_id": {"$use": "image"}}, "prompt": {"boxes": [_BOX]}}
    saved = {"image_id": {"$save": "image"}, "width": 5, "height": 3}
    unknown = "image.image_id"
    return {
        "embed-segment-release": _dialog(
            "The pixels are sent once.",
            [
                _send(_PIXELS, op="embed", id="1", model="echo", image=_RAW),
                _receive(reply="embed", id="1", model="echo", **saved),
                _send(id="2", **ask, **held),
                _receive(reply="segment", id="2", width=5, height=3, masks=[_BOX_MASK]),
                _send(op="release", id="3", image_id={"$use": "image"}),
                _receive(reply="release", id="3"),
                _send(id="4", **ask, **held),
                _error("4", "unknown_image", unknown),
            ],
            "echo",
        ),
        "segment-keep": _dialog(
            "An image may be kept by the first segment as well.",
            [
                _send(_PIXELS, id="1", **ask, image=_RAW, keep=True),
                _receive(reply="segment", id="1", **saved),
                _send(id="2", **ask, **held),
                _receive(reply="segment", id="2", masks=[_BOX_MASK]),
            ],
            "echo",
        ),
        "release-unknown": _dialog(
            "No such image.",
            [_send(op="release", id="1", image_id="never-kept"), _error("1", "unknown_image", "image_id")],
        ),
    }


def _refused() -> dict[str, Json]:
    ask = {"op": "segment", "model": "echo", "image": _RAW}
    nothing = {"op": "segment", "image": {"image_id": "a"}}
    future = _receive(reply="error", id="1", code="unsupported_version", path="maskbus", versions=_LIST)
    return {
        "unknown-model": _dialog(
            "No such model; the next request is answered as if nothing had happened.",
            [
                _send(_PIXELS, id="1", **{**ask, "model": "no-such-model"}),
                _error("1", "unknown_model", "model"),
                _send(op="ping", id="2"),
                _receive(**_pong("2")),
            ],
        ),
        "unknown-operation": _dialog(
            "No such operation.", [_send(op="fly", id="1"), _error("1", "unknown_operation", "op")]
        ),
        "future-version": _dialog("Another major.", [_send(maskbus="2.0", op="ping", id="1"), future]),
        "malformed": _dialog(
            "A header that is no MessagePack; then one that is.",
            [
                {"send": {"multipart": [b"", b"\xc1"]}},
                _error_without_id("malformed"),
                _send(op="ping", id="2"),
                _receive(**_pong("2")),
            ],
        ),
        "no-header": _dialog(
            "A delimiter and nothing else.", [{"send": {"multipart": [b""]}}, _error_without_id("malformed")]
        ),
        "no-delimiter": _dialog(
            "A DEALER that forgot the delimiter; the answer has one.",
            [{"send": {"multipart": [b"\x82\xa7maskbus\xa31.0\xa2op\xa4ping"]}}, _error_without_id("malformed")],
        ),
        "invalid-field": _dialog(
            "What can be read of the request comes back.",
            [
                _send(id="1", **nothing, stamp=3, stream="front", prompt={"points": [[1.0]]}),
                _receive(reply="error", id="1", code="invalid_field", path="prompt.points[0]", stamp=3, stream="front"),
            ],
        ),
        "outside": _dialog(
            "A point beside the image.",
            [
                _send(_PIXELS, id="1", **ask, prompt={"points": [[5.0, 0.0]]}),
                _error("1", "invalid_value", "prompt.points[0]"),
            ],
            "echo",
        ),
        "missing-attachment": _dialog(
            "An attachment that did not come.", [_send(id="1", **ask), _error("1", "invalid_value", "image.attachment")]
        ),
        "short-image": _dialog(
            "A byte too few.", [_send(_PIXELS[:-1], id="1", **ask), _error("1", "invalid_image", "image")], "echo"
        ),
    }


def _error_without_id(code: str) -> Json:
    return _receive(reply="error", id=_ABSENT, code=code, message=_TEXT)


def _published() -> dict[str, Json]:
    ask = {"op": "segment", "model": "echo", "image": _RAW, "prompt": {"boxes": [_BOX]}}
    answer = {"reply": "segment", "model": "echo", "masks": [{**_BOX_MASK, "rle": _BOX_RLE}]}
    one = {"op": "everything", "model": "echo", "image": _RAW, "settings": {"points_per_side": 1}}
    bits = {"reply": "segment", "model": "echo", "masks": [{**_BOX_MASK, "bits": {"attachment": 0}, "rle": _ABSENT}]}
    made, kept = {"retained": _ABSENT, "stamp": 2}, {"retained": True, "stamp": 1}

    def segment(topic: str, number: int) -> list[Json]:
        request = _send(_PIXELS, id=f"{number}", **ask, publish=topic, stamp=number)
        return [request, _receive(id=f"{number}", **answer, stamp=number)]

    def published(name: str, topic: str, header: Json, *attachments: bytes) -> Json:
        whole = {"maskbus": _TEXT, **header, "topic": topic, "published": _INT}
        return {"published": {"topic": name, "header": whole, "attachments": list(attachments)}}

    # The reply may come before the message is published; the reply to a ping comes after it.
    settled = [_send(op="ping", id="p"), _receive(**_pong("p"))]
    return {
        "publish": _dialog(
            "A late subscriber gets the last value, so it is subscribed for certain; then it gets the next one.",
            [
                *segment("golden/late", 1),
                *settled,
                {"subscribe": "golden/late"},
                published("golden/late", "golden/late", {**answer, **kept}),
                *segment("golden/late", 2),
                published("golden/late", "golden/late", {**answer, **made}),
            ],
            "echo",
        ),
        "publish-encoding": _dialog(
            "A subscriber chooses another encoding than the requester.",
            [
                *segment("golden/chosen", 1),
                *settled,
                {"subscribe": "bits:golden/chosen"},
                {"subscribe": "golden/chosen"},
                published("golden/chosen", "golden/chosen", {**answer, **kept}),
                *segment("golden/chosen", 2),
                published("bits:golden/chosen", "golden/chosen", {**bits, **made}, b"\x70\x70\x00"),
                published("golden/chosen", "golden/chosen", {**answer, **made}),
            ],
            "echo",
        ),
        "publish-everything": _dialog(
            "Subscribers need not know which operation masks are from.",
            [
                _send(_PIXELS, id="1", **one, publish="golden/all", stamp=1),
                _receive(reply="everything", id="1", model="echo", masks=_LIST, stamp=1),
                *settled,
                {"subscribe": "golden/all"},
                published(
                    "golden/all",
                    "golden/all",
                    {"reply": "segment", "id": _ABSENT, "model": "echo", "masks": _LIST, **kept},
                ),
            ],
            "echo",
        ),
        "publish-prefix": _dialog(
            "A prefix that names an encoding is enough.",
            [
                *segment("golden/prefix/a", 1),
                *settled,
                {"subscribe": "bits:golden/prefix/"},
                {"subscribe": "golden/prefix/"},
                published("golden/prefix/a", "golden/prefix/a", {**answer, **kept}),
                *segment("golden/prefix/a", 2),
                published("bits:golden/prefix/a", "golden/prefix/a", {**bits, **made}, b"\x70\x70\x00"),
            ],
            "echo",
        ),
    }
