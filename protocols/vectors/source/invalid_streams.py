"""Messages about streams that a receiver must refuse."""

from __future__ import annotations

from typing import Any

from source import pictures
from source.vector import Json, invalid

_OPEN: dict[str, Any] = {"maskbus": "1.3", "op": "stream.open", "id": "x", "stream": "front"}
_IMAGE = {"attachment": 0, "encoding": "rgb8", "width": pictures.WIDTH, "height": pictures.HEIGHT}
_FRAME: dict[str, Any] = {"maskbus": "1.3", "op": "stream.frame", "id": "x", "stream": "front", "image": _IMAGE}
_UPDATE: dict[str, Any] = {"maskbus": "1.3", "op": "stream.update", "id": "x", "stream": "front"}
_CLOSE: dict[str, Any] = {"maskbus": "1.3", "op": "stream.close", "id": "x", "stream": "front"}
_PIXELS = [pictures.pattern().tobytes()]
_POINT = {"points": [[1.0, 2.0]]}
_BOX = {"boxes": [[0.0, 0.0, 4.0, 3.0]]}
_MASK = {"mask": {"encoding": "rle", "counts": "0"}}

WHOLE = {"stream.open": _OPEN, "stream.frame": _FRAME, "stream.update": _UPDATE, "stream.close": _CLOSE}
"""A message of each operation with what is required."""


def vectors() -> dict[str, Json]:
    """Return them by name."""
    return {**_names(), **_opens(), **_objects(), **_frames(), **_updates(), **_replies()}


def _wrong(path: str, about: str, message: dict[str, Any], /, code: str = "invalid_value", **fields: Any) -> Json:
    parts = _PIXELS if message is _FRAME else ()
    return invalid(code, path, about, {**message, **fields}, parts)


def _names() -> dict[str, Json]:
    names = {
        "empty": ("No name.", ""),
        "slash": ("A level of a topic.", "front/left"),
        "colon": ("As an encoding has it.", "png:front"),
        "space": ("White space.", "the front"),
        "line": ("A line end.", "front\n"),
        "no-break-space": ("White space beyond ASCII.", "the\u00a0front"),
        "control": ("A control character.", "front\x7f"),
    }
    found = {
        f"stream-name-{name}": _wrong("stream", about, _OPEN, stream=text) for name, (about, text) in names.items()
    }
    long = {
        f"{operation.replace('.', '-')}-long": _wrong(
            "stream", "257 characters.", message, "too_large", stream="x" * 257
        )
        for operation, message in WHOLE.items()
    }
    return {
        **found,
        **long,
        "stream-frame-name": _wrong("stream", "The rule holds for frames as well.", _FRAME, stream="a/b"),
        "stream-update-name": _wrong("stream", "The rule holds for changes as well.", _UPDATE, stream="a/b"),
        "stream-close-name": _wrong("stream", "The rule holds for the end as well.", _CLOSE, stream=""),
        "stream-open-id-long": _wrong("id", "257 characters.", _OPEN, "too_large", id="x" * 257),
    }


def _opens() -> dict[str, Json]:
    def wrong(path: str, about: str, /, code: str = "invalid_value", **fields: Any) -> Json:
        return _wrong(path, about, _OPEN, code, **fields)

    def sampled(about: str, rate: float) -> Json:
        return wrong("max_fps", about, policy="sample", max_fps=rate)

    logits = {"logits": {"data": bytes(4), "shape": [1, 1]}}
    times = {
        f"stream-open-{name.replace('_', '-')}-{about}": wrong(name, "Out of range.", **{name: value})
        for name in ("max_age_ms", "deadline_ms", "idle_ms")
        for about, value in (("zero", 0), ("negative", -1), ("high", 3_600_001))
    }
    return {
        **times,
        "stream-open-model-long": wrong("model", "257 characters.", "too_large", model="x" * 257),
        "stream-open-policy": wrong("policy", "No such policy.", policy="oldest"),
        "stream-open-age-from": wrong("age_from", "No such clock.", age_from="sender"),
        "stream-open-encoding": wrong(
            "encodings[1]", "No such encoding.", "unknown_encoding", encodings=["rle", "jpg"]
        ),
        "stream-open-encoding-twice": wrong("encodings", "Named twice.", encodings=["rle", "png", "rle"]),
        "stream-open-prompt": wrong("prompt.points[0]", "Not finite.", prompt={"points": [[float("inf"), 0.0]]}),
        "stream-open-prompt-labels": wrong("prompt.labels", "Two for one.", prompt={**_POINT, "labels": [1, 0]}),
        "stream-open-mask": wrong("prompt.mask", "A mask for every frame.", "unsupported_prompt", prompt=_MASK),
        "stream-open-logits": wrong("prompt.logits", "Logits for every frame.", "unsupported_prompt", prompt=logits),
        "stream-open-track-prompt": wrong("prompt", "One prompt where objects belong.", track=True, prompt=_POINT),
        "stream-open-objects": wrong("objects", "Nobody follows them.", objects=[{"object_id": 1, "prompt": _POINT}]),
        "stream-open-sample": wrong("max_fps", "How often is not said.", "invalid_field", policy="sample"),
        "stream-open-rate": wrong("max_fps", "Only samples are taken at a rate.", max_fps=5.0),
        "stream-open-rate-every": wrong("max_fps", "Every frame, and some frames.", policy="every", max_fps=5.0),
        "stream-open-rate-zero": sampled("Never.", 0.0),
        "stream-open-rate-negative": sampled("Less than never.", -1.0),
        "stream-open-rate-high": sampled("More than 1000 a second.", 1000.5),
        "stream-open-rate-infinite": sampled("Infinite.", float("inf")),
        "stream-open-rate-nan": sampled("Not a number.", float("nan")),
        "stream-open-waiting-none": wrong("max_waiting", "None.", policy="every", max_waiting=0),
        "stream-open-waiting-many": wrong("max_waiting", "65.", policy="every", max_waiting=65),
        "stream-open-waiting-unused": wrong("max_waiting", "Also where it is of no use.", max_waiting=0),
    }


def _objects() -> dict[str, Json]:
    def wrong(path: str, about: str, /, code: str = "invalid_value", **fields: Any) -> Json:
        return _wrong(path, about, _OPEN, code, track=True, **fields)

    def one(path: str, about: str, prompt: dict[str, Any], code: str = "invalid_value") -> Json:
        good = {"object_id": 1, "prompt": _POINT}
        return wrong(f"objects[1].prompt{path}", about, code, objects=[good, {"object_id": 2, "prompt": prompt}])

    def numbered(about: str, number: object, code: str = "invalid_value") -> Json:
        return wrong("objects[0].object_id", about, code, objects=[{"object_id": number, "prompt": _POINT}])

    twice = [{"object_id": 3, "prompt": _POINT}, {"object_id": 4, "prompt": _POINT}, {"object_id": 3, "prompt": _BOX}]
    many = [{"object_id": i, "prompt": _POINT} for i in range(257)]
    logits = {"logits": {"data": bytes(4), "shape": [1, 1]}}
    return {
        "stream-objects-many": wrong("objects", "257 objects.", "too_large", objects=many),
        "stream-objects-twice": wrong("objects[2].object_id", "One number for two.", objects=twice),
        "stream-object-negative": numbered("Negative.", -1),
        "stream-object-high": numbered("2^31.", 2**31),
        "stream-object-huge": numbered("Beyond signed 64 bits.", 2**63),
        "stream-object-text": numbered("A name.", "cup", "invalid_field"),
        "stream-object-without-id": wrong(
            "objects[0].object_id", "Which object.", "invalid_field", objects=[{"prompt": _POINT}]
        ),
        "stream-object-no-prompt": wrong("objects[0].prompt", "It is not pointed at.", objects=[{"object_id": 1}]),
        "stream-object-empty-prompt": one("", "It is not pointed at.", {}),
        "stream-object-prompt-text": one(".points", "No list.", {"points": "1,2"}, "invalid_field"),
        "stream-object-point": one(".points[0]", "Not finite.", {"points": [[float("nan"), 0.0]]}),
        "stream-object-box": one(".boxes[0]", "Its corners are exchanged.", {"boxes": [[4.0, 3.0, 0.0, 0.0]]}),
        "stream-object-boxes": one(".boxes", "Two boxes are two objects.", {"boxes": [*_BOX["boxes"] * 2]}),
        "stream-object-labels": one(".labels", "One for none.", {**_BOX, "labels": [1]}),
        "stream-object-logits": one(".logits", "By logits.", logits, "unsupported_prompt"),
        "stream-object-by-text": one(".text", "By words.", {"text": ["cup"]}, "unsupported_prompt"),
        "stream-object-mask-points": one(".mask", "A mask and points.", {**_MASK, **_POINT}),
        "stream-object-mask-box": one(".mask", "A mask and a box.", {**_MASK, **_BOX}),
        "stream-object-mask-bytes": one(
            ".mask.attachment", "It did not come.", {"mask": {"encoding": "bits", "attachment": 0}}
        ),
        "stream-object-mask-counts": one(".mask.counts", "No runs.", {"mask": {"encoding": "rle"}}, "invalid_field"),
    }


def _frames() -> dict[str, Json]:
    def wrong(path: str, about: str, /, code: str = "invalid_value", **fields: Any) -> Json:
        return _wrong(path, about, _FRAME, code, **fields)

    slot = {"lease": "9c07", "index": 64, "generation": 2}
    return {
        "stream-frame-held": wrong("image.image_id", "Not a new one.", image={"image_id": "f3a9c1"}),
        "stream-frame-held-and-bytes": wrong(
            "image.attachment", "A reference, and bytes.", "invalid_field", image={**_IMAGE, "image_id": "f3a9c1"}
        ),
        "stream-frame-no-bytes": wrong("image", "No bytes and no slot.", "invalid_field", image={}),
        "stream-frame-attachment": wrong("image.attachment", "It did not come.", image={**_IMAGE, "attachment": 1}),
        "stream-frame-encoding": wrong(
            "image.encoding", "No such encoding.", "unknown_encoding", image={**_IMAGE, "encoding": "yuv"}
        ),
        "stream-frame-no-size": wrong(
            "image.width", "Raw, of no size.", "invalid_field", image={"attachment": 0, "encoding": "rgb8"}
        ),
        "stream-frame-slot": wrong("image.slot.index", "No such slot.", image={"slot": slot}),
        "stream-frame-frame-id-long": wrong("frame_id", "257 characters.", "too_large", frame_id="x" * 257),
        "stream-frame-stamp-huge": wrong("stamp", "Beyond signed 64 bits.", stamp=2**63),
        "stream-frame-seq-huge": wrong("seq", "Beyond signed 64 bits.", seq=2**63),
    }


def _updates() -> dict[str, Json]:
    def wrong(path: str, about: str, /, code: str = "invalid_value", **fields: Any) -> Json:
        return _wrong(path, about, _UPDATE, code, **fields)

    return {
        "stream-update-mask": wrong("prompt.mask", "A mask for every frame.", "unsupported_prompt", prompt=_MASK),
        "stream-update-prompt": wrong("prompt.boxes[0]", "It has no inside.", prompt={"boxes": [[1.0, 1.0, 1.0, 2.0]]}),
        "stream-update-object": wrong("objects[0].prompt", "It is not pointed at.", objects=[{"object_id": 1}]),
        "stream-update-object-negative": wrong(
            "objects[0].object_id", "Negative.", objects=[{"object_id": -1, "prompt": _POINT}]
        ),
        "stream-update-remove-many": wrong("remove", "257 numbers.", "too_large", remove=[*range(257)]),
        "stream-update-remove-text": wrong("remove[1]", "A name.", "invalid_field", remove=[1, "cup"]),
        "stream-update-encoding": wrong("encodings[0]", "No such encoding.", "unknown_encoding", encodings=["jpg"]),
        "stream-update-encoding-twice": wrong("encodings", "Named twice.", encodings=["rle", "rle"]),
        "stream-update-rate-zero": wrong("max_fps", "Never.", max_fps=0.0),
        "stream-update-rate-nan": wrong("max_fps", "Not a number.", max_fps=float("nan")),
        "stream-update-age-negative": wrong("max_age_ms", "Less than none.", max_age_ms=-1),
        "stream-update-age-high": wrong("max_age_ms", "More than an hour.", max_age_ms=3_600_001),
    }


def _replies() -> dict[str, Json]:
    def wrong(path: str, about: str, message: dict[str, Any], code: str = "invalid_field") -> Json:
        return invalid(code, path, about, message, kind="reply")

    closed = {"maskbus": "1.3", "reply": "stream.close", "id": "4", "stream": "front", "counts": {}}
    info = {"stream": "front", "model": "echo", "topic": "masks/front/echo", "policy": "newest"}
    listed = {"maskbus": "1.3", "reply": "stream.list", "id": "5", "streams": [info]}
    return {
        "reply-stream-counts-text": wrong("counts.received", "Text.", {**closed, "counts": {"received": "1"}}),
        "reply-stream-dropped-list": wrong("counts.dropped", "No map.", {**closed, "counts": {"dropped": [1]}}),
        "reply-stream-list-map": wrong("streams", "No list.", {**listed, "streams": info}),
        "reply-stream-list-short": wrong("streams[0].model", "No model.", {**listed, "streams": [{"stream": "front"}]}),
        "reply-stream-credit-text": wrong(
            "limit", "Text.", {"maskbus": "1.3", "reply": "stream.credit", "stream": "front", "limit": "9"}
        ),
    }
