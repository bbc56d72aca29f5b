"""Dialogs about streams. Every stream that is opened is closed, so that the next dialog finds none."""

from __future__ import annotations

from typing import Any

from source import pictures
from source.vector import Json, to_json

_PIXELS = pictures.pattern().tobytes()
_IMAGE = {"attachment": 0, "encoding": "rgb8", "width": pictures.WIDTH, "height": pictures.HEIGHT}
_TEXT, _INT = ({"$any": kind} for kind in ("text", "int"))
_ABSENT = {"$any": "absent"}
_BOX, _RLE = [1.0, 0.0, 4.0, 2.0], {"size": [3, 5], "counts": "3210003"}
_WHOLE, _WHOLE_RLE = [0.0, 0.0, 5.0, 3.0], {"size": [3, 5], "counts": "0?"}


def vectors() -> dict[str, Json]:
    """Return them by name."""
    return {**_calls(), **_refused(), **_published(), **_tracked()}


def _dialog(about: str, steps: list[Json], model: str = "echo") -> Json:
    return {"about": about, **({"model": model} if model else {}), "steps": to_json(steps)}


def _send(*attachments: bytes, **fields: Any) -> Json:
    return {"send": {"header": {"maskbus": "1.3", **fields}, "attachments": list(attachments)}}


def _receive(*attachments: bytes, **fields: Any) -> Json:
    return {"receive": {"header": {"maskbus": _TEXT, **fields}, "attachments": list(attachments)}}


def _error(code: str, path: str = "", **fields: Any) -> Json:
    more = {"path": path} if path else {}
    return _receive(reply="error", code=code, message=_TEXT, **more, **fields)


def _open(name: str, id: str = "1", resumed: object = _ABSENT, limit: object = _ABSENT, **fields: Any) -> list[Json]:
    opened = {"model": "echo", "topic": f"masks/{name}/echo", "frames_topic": f"frames/{name}"}
    return [
        _send(op="stream.open", id=id, stream=name, model="echo", **fields),
        _receive(reply="stream.open", id=id, stream=name, **opened, resumed=resumed, limit=limit),
    ]


def _frame(name: str, seq: int, **fields: Any) -> Json:
    return _send(_PIXELS, op="stream.frame", stream=name, image=_IMAGE, seq=seq, **fields)


def _close(name: str, **counts: Any) -> list[Json]:
    return [
        _send(op="stream.close", id="close", stream=name),
        _receive(reply="stream.close", id="close", stream=name, counts=counts),
    ]


def _calls() -> dict[str, Json]:
    info = {
        "stream": "golden-calls",
        "model": "echo",
        "topic": "masks/golden-calls/echo",
        "policy": "newest",
        "counts": {"received": 1},
    }
    return {
        "stream-calls": _dialog(
            "A frame that asks for it is acknowledged; a stream is changed, listed and closed.",
            [
                *_open("golden-calls", prompt={"boxes": [_BOX]}),
                _frame("golden-calls", 0, id="2", ack=True),
                _receive(reply="stream.frame", id="2", stream="golden-calls", seq=0, limit=_ABSENT),
                _send(op="stream.update", id="3", stream="golden-calls", prompt={"boxes": [_WHOLE]}, always=True),
                _receive(reply="stream.update", id="3", stream="golden-calls", seq=_ABSENT),
                _send(op="stream.list", id="4"),
                _receive(reply="stream.list", id="4", streams=[info]),
                *_close("golden-calls", received=1),
                _send(op="stream.list", id="5"),
                _receive(reply="stream.list", id="5", streams=[]),
            ],
        ),
        "stream-anew": _dialog(
            "Opening a stream that is there begins it anew, with new counts.",
            [
                *_open("golden-anew"),
                _frame("golden-anew", 0, id="2", ack=True),
                _receive(reply="stream.frame", id="2", stream="golden-anew", seq=0),
                *_open("golden-anew", id="3", resumed=True),
                _frame("golden-anew", 1, id="4", ack=True),
                _receive(reply="stream.frame", id="4", stream="golden-anew", seq=1),
                *_close("golden-anew", received=1),
            ],
        ),
        "stream-credit": _dialog(
            "One frame at a time: the next may come when the last is done with.",
            [
                *_open("golden-credit", policy="every", max_waiting=1, always=True, limit=1),
                _frame("golden-credit", 0),
                _receive(reply="stream.credit", id=_ABSENT, stream="golden-credit", limit=2),
                _frame("golden-credit", 1),
                _receive(reply="stream.credit", id=_ABSENT, stream="golden-credit", limit=3),
                *_close("golden-credit", received=2, answered=2),
            ],
        ),
    }


def _refused() -> dict[str, Json]:
    nobody = {"stream": "golden-nobody"}
    return {
        "stream-unknown": _dialog(
            "Nobody has opened it; an error about a frame bears its number.",
            [
                _frame("golden-nobody", 5, stamp=9),
                _error("unknown_stream", "stream", id=_ABSENT, seq=5, stamp=9, **nobody),
                _send(op="stream.update", id="2", **nobody),
                _error("unknown_stream", "stream", id="2", **nobody),
                _send(op="stream.close", id="3", **nobody),
                _error("unknown_stream", "stream", id="3", **nobody),
            ],
            model="",
        ),
        "stream-closed": _dialog(
            "A stream that has been closed is not there any more.",
            [
                *_open("golden-closed"),
                *_close("golden-closed"),
                _frame("golden-closed", 0),
                _error("unknown_stream", "stream", stream="golden-closed", seq=0),
            ],
        ),
        "stream-unknown-model": _dialog(
            "No such model.",
            [
                _send(op="stream.open", id="1", model="no-such-model", **nobody),
                _error("unknown_model", "model", id="1", **nobody),
            ],
            model="",
        ),
        "stream-objects-untracked": _dialog(
            "A stream that does not track has no objects.",
            [
                *_open("golden-untracked"),
                _send(
                    op="stream.update",
                    id="2",
                    stream="golden-untracked",
                    objects=[{"object_id": 1, "prompt": {"boxes": [_BOX]}}],
                ),
                _error("invalid_value", "objects", id="2", stream="golden-untracked"),
                *_close("golden-untracked"),
            ],
        ),
        "stream-short-frame": _dialog(
            "A byte too few; the next frame is taken as if nothing had happened.",
            [
                *_open("golden-short", always=True),
                _send(_PIXELS[:-1], op="stream.frame", stream="golden-short", image=_IMAGE, seq=3),
                _error("invalid_image", "image", id=_ABSENT, stream="golden-short", seq=3),
                *_close("golden-short", received=1, dropped={"failed": 1}),
            ],
        ),
    }


def _published() -> dict[str, Json]:
    topic, frames = "masks/golden-masks/echo", "frames/golden-masks"
    answer = {"reply": "segment", "model": "echo", "width": 5, "height": 3, "stream": "golden-masks", "topic": topic}

    def result(seq: int, rle: Json, **fields: Any) -> Json:
        masks = [{"rle": rle, "object_id": _ABSENT, "present": _ABSENT}]
        whole = {"maskbus": _TEXT, **answer, "id": _ABSENT, "seq": seq, "masks": masks, "published": _INT, **fields}
        return {"published": {"topic": topic, "header": whole, "attachments": []}}

    def credit(limit: int) -> Json:
        return _receive(reply="stream.credit", stream="golden-masks", limit=limit)

    shown = {"reply": "frame", "stream": "golden-masks", "topic": frames, "image": _IMAGE}
    stamps = {"stamp": 11, "frame_id": "camera_front"}
    seen = {"maskbus": _TEXT, **shown, "id": _ABSENT, "seq": 1, **stamps}
    return {
        "stream-published": _dialog(
            "A last value tells that both topics are subscribed to; then come, after an update, a frame and its masks.",
            [
                *_open("golden-masks", prompt={"boxes": [_BOX]}, policy="every", max_waiting=1, always=True, limit=1),
                _frame("golden-masks", 0, stamp=10),
                credit(2),
                _send(op="ping", id="p"),
                _receive(reply="ping", id="p"),
                {"subscribe": frames},
                {"subscribe": topic},
                result(0, _RLE, retained=True, stamp=10, counts={"received": 1}),
                _send(op="stream.update", id="2", stream="golden-masks", prompt={"boxes": [_WHOLE]}),
                _receive(reply="stream.update", id="2", stream="golden-masks"),
                _frame("golden-masks", 1, **stamps),
                credit(3),
                {"published": {"topic": frames, "header": seen, "attachments": [_PIXELS]}},
                result(1, _WHOLE_RLE, retained=_ABSENT, **stamps, counts={"received": 2, "answered": 1}),
                *_close("golden-masks", received=2, answered=2),
            ],
        ),
    }


def _tracked() -> dict[str, Json]:
    name, topic = "golden-tracked", "masks/golden-tracked/echo"
    first, second = {"object_id": 1, "prompt": {"boxes": [_BOX]}}, {"object_id": 7, "prompt": {"boxes": [_WHOLE]}}
    drawn = {
        1: {"object_id": 1, "present": True, "rle": _RLE},
        7: {"object_id": 7, "present": True, "rle": _WHOLE_RLE},
    }

    def result(seq: int, *numbers: int, **fields: Any) -> Json:
        masks = [drawn[number] for number in numbers]
        shown = {"reply": "segment", "model": "echo", "stream": name, "topic": topic, "seq": seq, "masks": masks}
        return {"published": {"topic": topic, "header": {"maskbus": _TEXT, **shown, **fields}, "attachments": []}}

    def credit(limit: int) -> Json:
        return _receive(reply="stream.credit", stream=name, limit=limit)

    return {
        "stream-tracked": _dialog(
            "An object is followed; another is added in the frame that was seen last, and then the first removed.",
            [
                *_open(name, track=True, objects=[first], policy="every", max_waiting=1, always=True, limit=1),
                _frame(name, 0),
                credit(2),
                _send(op="ping", id="p"),
                _receive(reply="ping", id="p"),
                {"subscribe": topic},
                result(0, 1, retained=True),
                _send(op="stream.update", id="2", stream=name, objects=[second]),
                _receive(reply="stream.update", id="2", stream=name, seq=0),
                result(0, 1, 7),
                _frame(name, 1),
                credit(3),
                result(1, 1, 7),
                _send(op="stream.update", id="3", stream=name, remove=[1]),
                _receive(reply="stream.update", id="3", stream=name, seq=1),
                result(1, 7),
                _send(op="stream.update", id="4", stream=name, prompt={"boxes": [_BOX]}),
                _error("invalid_value", "prompt", id="4", stream=name),
                *_close(name, received=2, answered=2),
            ],
        ),
    }
