"""Messages that a receiver must refuse, each with the code and path of the error."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from maskbus_wire import everything_checks, header, rle
from maskbus_wire.prompts import Image, LogitsPrompt, MaskPrompt, Prompt
from maskbus_wire.replies import REPLIES
from maskbus_wire.requests import OPERATIONS, EverythingOptions, PostProcessing, Route, TextOptions, Work
from source import invalid_options, invalid_streams, pictures
from source.vector import Json, invalid

_HELD = {"image_id": "f3a9c1"}
_PING: dict[str, Any] = {"maskbus": "1.0", "op": "ping", "id": "x"}
_EVERYTHING: dict[str, Any] = {"maskbus": "1.3", "op": "everything", "id": "x", "image": _HELD}
_SEGMENT: dict[str, Any] = {"maskbus": "1.0", "op": "segment", "id": "x", "image": _HELD}
_RAW = {"attachment": 0, "encoding": "rgb8", "width": 5, "height": 3}
_PIXELS = [pictures.pattern().tobytes()]
_SLOT = {"lease": "9c07", "index": 0, "generation": 2}


def vectors() -> dict[str, Json]:
    """Return them by name."""
    return {
        **_msgpack(),
        **_bombs(),
        **_envelope(),
        **dict(_types()),
        **_values(),
        **_everything(),
        **_images(),
        **_prompts(),
        **_contents(),
        **invalid_streams.vectors(),
        **invalid_options.vectors(),
        **_replies(),
    }


def _with(**fields: Any) -> dict[str, Any]:
    return {**_SEGMENT, **fields}


def _image(**fields: Any) -> dict[str, Any]:
    return _with(image={**_RAW, **fields})


def _prompt(**fields: Any) -> dict[str, Any]:
    return _with(prompt=fields)


def _msgpack() -> dict[str, Json]:
    ping = header.pack(_PING)

    def broken(about: str, value: bytes) -> Json:
        return invalid("malformed", "", about, value)

    def option(value: bytes) -> bytes:
        return b"\x84\xa7maskbus\xa31.0\xa2op\xa7segment\xa5image\x81\xa8image_id\xa1a\xa7options\x81\xa1a" + value

    return {
        "msgpack-empty": broken("A header of no bytes.", b""),
        "msgpack-truncated": broken("The last byte is missing.", ping[:-1]),
        "msgpack-truncated-early": broken("The map stops after its first key.", ping[:9]),
        "msgpack-truncated-length": broken("A length field is cut.", b"\x81\xa1a\xdb\x00"),
        "msgpack-extra": broken("A byte follows the map.", ping + b"\xc0"),
        "msgpack-two-maps": broken("Another map follows the map.", ping + ping),
        "msgpack-array": broken("An array and not a map.", header.pack([1, 2])),
        "msgpack-nil": broken("nil and not a map.", b"\xc0"),
        "msgpack-text": broken("JSON and not MessagePack.", b'{"maskbus": "1.0", "op": "ping"}'),
        "msgpack-unknown-type": broken("The type byte that is never used.", option(b"\xc1")),
        "msgpack-int-key": broken("A number as a key.", b"\x81\x01\xa1a"),
        "msgpack-bin-key": broken("Bytes as a key.", b"\x81\xc4\x01a\x01"),
        "msgpack-nil-key": broken("nil as a key.", b"\x81\xc0\x01"),
        "msgpack-array-key": broken("An array as a key.", b"\x81\x91\x01\x01"),
        "msgpack-deep-int-key": broken("A number as a key, deeper.", option(b"\x81\x01\x02")),
        "msgpack-deep-bin-key": broken("Bytes as a key, deeper.", option(b"\x81\xc4\x01a\x02")),
        "msgpack-not-utf-8": broken("Text that is not UTF-8.", option(b"\xa2\xff\xfe")),
        "msgpack-surrogate": broken("Text with half of a surrogate pair.", option(b"\xa3\xed\xa0\x80")),
        "msgpack-ext": broken("An extension type.", option(b"\xd4\x05\x00")),
        "msgpack-ext-empty": broken("An extension type of no bytes.", option(b"\xc7\x00\x05")),
        "msgpack-timestamp": broken("A timestamp.", option(b"\xd6\xff\x00\x00\x00\x01")),
        "msgpack-text-length": broken("Text longer than the message.", option(b"\xdb\xff\xff\xff\xff")),
        "msgpack-bin-length": broken("Bytes longer than the message.", option(b"\xc6\xff\xff\xff\xff")),
    }


def _bombs() -> dict[str, Json]:
    def bomb(about: str, code: str, value: bytes, **limits: int) -> Json:
        more = {"limits": limits} if limits else {}
        return invalid(code, "", about, value, **more)

    start = b"\x81\xa1a"
    return {
        "bomb-array-length": bomb("An array of 4 billion in 8 bytes.", "malformed", start + b"\xdd\xff\xff\xff\xff"),
        "bomb-map-length": bomb("A map of 4 billion in 8 bytes.", "malformed", start + b"\xdf\xff\xff\xff\xff"),
        "bomb-nested-lengths": bomb(
            "Each array announces as many as there are bytes left.",
            "malformed",
            start + b"".join(b"\xdc" + (3000 - 3 * i).to_bytes(2, "big") for i in range(1, 1000)),
        ),
        "bomb-depth": bomb(
            "Arrays 12 deep in the header, the 13th container.", "too_large", start + b"\x91" * 12 + b"\xc0"
        ),
        "bomb-depth-maps": bomb("Maps, 13 deep.", "too_large", start * 13 + b"\xc0"),
        "bomb-depth-far": bomb("Arrays 3,000 deep.", "too_large", start + b"\x91" * 3000 + b"\xc0"),
        "bomb-values": bomb(
            "41 values where 40 are allowed.",
            "too_large",
            start + b"\xdc\x00\x26" + b"\xc0" * 38,
            header_objects=40,
        ),
        "bomb-bytes": bomb(
            "101 bytes where 100 are allowed.", "too_large", start + b"\xc4\x60" + bytes(96), frame_bytes=100
        ),
    }


def _envelope() -> dict[str, Json]:
    def version(about: str, value: object, code: str = "invalid_field") -> Json:
        return invalid(code, "maskbus", about, {**_PING, "maskbus": value})

    without = {key: value for key, value in _PING.items() if key != "maskbus"}
    nothing = invalid("malformed", "", "No frame at all.", b"")
    return {
        "frames-none": {**nothing, "frames": []},
        "frames-attachments": invalid("too_large", "", "65 attachments.", header.pack(_PING), [b""] * 65),
        "version-missing": invalid("invalid_field", "maskbus", "No version.", without),
        "version-int": version("A number.", 1),
        "version-float": version("Another number.", 1.0),
        "version-nil": version("nil.", None),
        "version-one-part": version("Only a major.", "1"),
        "version-words": version("Words.", "one.zero"),
        "version-three-parts": version("Three parts.", "1.0.0"),
        "version-negative": version("A sign.", "-1.0"),
        "version-spaces": version("White space.", " 1.0"),
        "version-other-digits": version("Digits beyond ASCII.", "١.0"),
        "version-long": version("More than 16 characters.", "1." + "0" * 15),
        "version-future": version("The next major.", "2.0", "unsupported_version"),
        "version-past": version("Major 0.", "0.9", "unsupported_version"),
        "version-before-operation": invalid(
            "unsupported_version", "maskbus", "The version is looked at first.", {"maskbus": "2.0", "op": "fly"}
        ),
        "op-unknown": invalid("unknown_operation", "op", "No such operation.", {**_PING, "op": "fly"}),
        "op-case": invalid("unknown_operation", "op", "In capitals.", {**_PING, "op": "Ping"}),
        "op-empty": invalid("unknown_operation", "op", "Empty.", {**_PING, "op": ""}),
        "op-missing": invalid("invalid_field", "op", "No operation.", {"maskbus": "1.0"}),
        "op-int": invalid("invalid_field", "op", "A number.", {**_PING, "op": 1}),
        "op-reply": invalid("invalid_field", "op", "A reply, sent to a node.", {"maskbus": "1.0", "reply": "ping"}),
    }


def _types() -> Iterator[tuple[str, Json]]:
    """Give every field of every request a value of a wrong type, and leave out every required one."""
    whole = {
        "segment": _SEGMENT,
        "embed": {**_SEGMENT, "op": "embed"},
        "everything": _EVERYTHING,
        "release": {**_PING, "op": "release", "image_id": "a"},
        "lease": {**_PING, "op": "lease", "slots": 3, "slot_bytes": 4096},
        "return": {**_PING, "op": "return", "lease": "a"},
        "cancel": {**_PING, "op": "cancel", "target": "a"},
        **invalid_streams.WHOLE,
    }
    for operation, message in whole.items():
        for field in msgspec.structs.fields(OPERATIONS[operation]):
            name = field.encode_name
            if name == "maskbus" or (operation == "embed" and name != "image"):
                continue
            if operation == "everything" and name in msgspec.structs.asdict(Work(image=Image())):
                continue
            place = operation.replace(".", "-")
            yield _mistyped(place, name, name, field, {**message, name: _wrong(field)})
            if field.required:
                short = {key: value for key, value in message.items() if key != name}
                yield f"missing-{place}-{name}", invalid("invalid_field", name, f"`{name}` is missing.", short)
    attached = {"attachment": 0}
    parts: list[tuple[str, type[msgspec.Struct], dict[str, Any]]] = [
        ("image", Image, dict(_RAW)),
        ("prompt", Prompt, {}),
        ("settings", EverythingOptions, {}),
        ("prompt.mask", MaskPrompt, {**attached, "encoding": "bits"}),
        ("prompt.logits", LogitsPrompt, {**attached, "shape": [1, 1]}),
        ("route", Route, {}),
        ("post", PostProcessing, {}),
        ("text_options", TextOptions, {}),
    ]
    for path, kind, value in parts:
        for field in msgspec.structs.fields(kind):
            name = field.encode_name
            place = path.replace(".", "-")
            yield _mistyped(
                place, name, f"{path}.{name}", field, _put(path, {**value, name: _wrong(field)}), b"12345678"
            )
            if field.required:
                short = _put(path, {key: item for key, item in value.items() if key != name})
                yield (
                    f"missing-{place}-{name}",
                    invalid("invalid_field", f"{path}.{name}", f"`{name}` is missing.", short, [b"12345678"]),
                )


def _everything() -> dict[str, Json]:
    def wrong(path: str, about: str, /, code: str = "invalid_value", **fields: Any) -> Json:
        return invalid(code, path, about, {**_EVERYTHING, **fields})

    def setting(name: str, about: str, value: object) -> Json:
        return wrong(f"settings.{name}", about, settings={name: value})

    found = {}
    for name, (least, most) in everything_checks.RANGES.items():
        place = f"everything-{name.replace('_', '-')}"
        found[f"{place}-low"] = setting(name, "Less than it may be.", least - 1)
        if most < 2**62:
            found[f"{place}-high"] = setting(name, "More than it may be.", most + 1)
        else:
            found[f"{place}-high"] = setting(name, "Beyond signed 64 bits.", 2**63)
    whole = {"points_per_side": 256, "crop_n_layers": 1}
    return {
        **found,
        "everything-preset": wrong("preset", "No such preset.", preset="slow"),
        "everything-preset-case": wrong("preset", "In capitals.", preset="Dense"),
        "everything-preset-empty": wrong("preset", "No preset.", preset=""),
        "everything-threshold-nan": setting("pred_iou_thresh", "Not a number.", float("nan")),
        "everything-offset-infinite": setting("stability_score_offset", "Infinite.", float("inf")),
        "everything-offset-zero": setting("stability_score_offset", "No shift at all.", 0.0),
        "everything-overlap-whole": setting("crop_overlap_ratio", "The whole.", 1.0),
        "everything-logits": wrong(
            "encodings[1]", "It answers no logits.", "unknown_encoding", encodings=["rle", "logits"]
        ),
        "everything-encoding-twice": wrong("encodings", "Named twice.", encodings=["rle", "rle"]),
        "everything-publish-colon": wrong("publish", "A topic with a colon.", publish="png:all"),
        "everything-grid": wrong("settings", "327680 points.", "too_large", settings=whole),
        "everything-grid-of-preset": wrong(
            "settings",
            "The preset's 64 points a side, in four layers more.",
            "too_large",
            preset="dense",
            settings={"crop_n_layers": 4},
        ),
        "everything-image": wrong("image", "No bytes and no reference.", "invalid_field", image={}),
    }


def _put(path: str, value: dict[str, Any]) -> dict[str, Any]:
    if path == "settings":
        return {**_EVERYTHING, "settings": value}
    if path in ("image", "route", "post", "text_options"):
        return _with(**{path: value})
    return _with(prompt=value if path == "prompt" else {path.partition(".")[2]: value})


def _wrong(field: msgspec.structs.FieldInfo) -> object:
    """Return a value that no text field, and nothing that is not text, may have."""
    text = "str" in str(field.type) or "Literal['" in str(field.type) or "Lane" in str(field.type)
    container = str(field.type).startswith(("list", "dict", "tuple"))
    return 5 if text or container else "5"


def _mistyped(
    place: str, name: str, path: str, field: msgspec.structs.FieldInfo, message: dict[str, Any], *parts: bytes
) -> tuple[str, Json]:
    return f"type-{place}-{name}", invalid("invalid_field", path, f"`{name}` has a wrong type.", message, parts)


def _values() -> dict[str, Json]:
    def wrong(path: str, about: str, message: dict[str, Any], code: str = "invalid_value") -> Json:
        return invalid(code, path, about, message)

    long = "x" * 257
    lease = {**_PING, "op": "lease", "slots": 3, "slot_bytes": 4096}
    give_back = {**_PING, "op": "return", "lease": "a"}
    release, cancel = {**_PING, "op": "release", "image_id": "a"}, {**_PING, "op": "cancel", "target": "a"}
    return {
        "value-id-long": wrong("id", "257 characters.", {**_PING, "id": long}, "too_large"),
        "value-model-long": wrong("model", "257 characters.", _with(model=long), "too_large"),
        "value-frame-id-long": wrong("frame_id", "257 characters.", _with(frame_id=long), "too_large"),
        "value-stream-long": wrong("stream", "257 characters.", _with(stream=long), "too_large"),
        "value-publish-long": wrong("publish", "257 characters.", _with(publish=long), "too_large"),
        "value-image-id-long": wrong("image.image_id", "257 characters.", _with(image={"image_id": long}), "too_large"),
        "value-release-long": wrong("image_id", "257 characters.", {**release, "image_id": long}, "too_large"),
        "value-target-long": wrong("target", "257 characters.", {**cancel, "target": long}, "too_large"),
        "value-return-long": wrong("lease", "257 characters.", {**give_back, "lease": long}, "too_large"),
        "value-lease-no-slots": wrong("slots", "No slot.", {**lease, "slots": 0}),
        "value-lease-many-slots": wrong("slots", "More than 64.", {**lease, "slots": 65}),
        "value-lease-no-bytes": wrong("slot_bytes", "No byte.", {**lease, "slot_bytes": 0}),
        "value-lease-negative": wrong("slot_bytes", "Less than none.", {**lease, "slot_bytes": -4096}),
        "value-lease-large": wrong("slot_bytes", "More than a frame.", {**lease, "slot_bytes": 2**40}, "too_large"),
        "value-result-inline": wrong("result", "In the header and in a slot.", _with(result=_SLOT, inline=True)),
        "value-result-index": wrong("result.index", "No such slot.", _with(result={**_SLOT, "index": 64})),
        "value-result-generation": wrong("result.generation", "Negative.", _with(result={**_SLOT, "generation": -2})),
        "value-result-long": wrong(
            "result.lease", "257 characters.", _with(result={**_SLOT, "lease": long}), "too_large"
        ),
        "value-target-empty": wrong("target", "No id to cancel.", {**cancel, "target": ""}),
        "value-publish-empty": wrong("publish", "A topic of no characters.", _with(publish="")),
        "value-publish-colon": wrong("publish", "A topic with a colon.", _with(publish="png:front")),
        "value-lane": wrong("lane", "No such lane.", _with(lane="fast")),
        "value-deadline-zero": wrong("deadline_ms", "No time at all.", _with(deadline_ms=0)),
        "value-deadline-negative": wrong("deadline_ms", "Before the request.", _with(deadline_ms=-1)),
        "value-deadline-long": wrong("deadline_ms", "More than an hour.", _with(deadline_ms=3_600_001)),
        "value-deadline-float": wrong("deadline_ms", "A fraction.", _with(deadline_ms=10.5), "invalid_field"),
        "value-stamp-large": wrong("stamp", "Beyond signed 64 bits.", _with(stamp=2**63)),
        "value-seq-large": wrong("seq", "Beyond signed 64 bits.", _with(seq=2**64 - 1)),
        "value-encoding-unknown": wrong(
            "encodings[1]", "No such encoding.", _with(encodings=["rle", "gif"]), "unknown_encoding"
        ),
        "value-encoding-twice": wrong("encodings", "Named twice.", _with(encodings=["rle", "bits", "rle"])),
        "value-encoding-type": wrong("encodings[0]", "A number.", _with(encodings=[1]), "invalid_field"),
        "value-encodings-text": wrong("encodings", "Not in an array.", _with(encodings="rle"), "invalid_field"),
        "value-keep-int": wrong("keep", "1 for true.", _with(keep=1), "invalid_field"),
        "value-long-quote": wrong("lane", "What is wrong is very long.", _with(lane="x" * 5000)),
    }


def _images() -> dict[str, Json]:
    def wrong(path: str, about: str, message: dict[str, Any], code: str = "invalid_value") -> Json:
        return invalid(code, path, about, message, _PIXELS)

    def without(name: str) -> dict[str, Any]:
        return _with(image={key: value for key, value in _RAW.items() if key != name})

    field = "invalid_field"
    file = {"attachment": 0, "encoding": "jpeg"}
    extra = {
        "attachment": 0,
        "data": b"a",
        "base64": "YQ==",
        "encoding": "rgb8",
        "width": 5,
        "height": 3,
        "step": 15,
        "slot": _SLOT,
        "shared": [0, 45],
    }
    held = {
        f"image-held-with-{name}": wrong(
            f"image.{name}", "An image_id stands alone.", _with(image={**_HELD, name: value}), field
        )
        for name, value in extra.items()
    }
    in_slot = {
        f"image-slot-with-{name}": wrong(
            f"image.{name}", "A slot stands alone.", _with(image={"slot": _SLOT, name: value}), field
        )
        for name, value in extra.items()
        if name != "slot"
    }
    return {
        **held,
        **in_slot,
        "image-shared": wrong("image.shared", "Only replies have it.", _with(image={**_RAW, "shared": [0, 45]}), field),
        "image-slot-index": wrong("image.slot.index", "Negative.", _with(image={"slot": {**_SLOT, "index": -1}})),
        "image-slot-generation": wrong(
            "image.slot.generation", "Beyond 2^63.", _with(image={"slot": {**_SLOT, "generation": 2**63}})
        ),
        "image-slot-short": wrong("image.slot.index", "No index.", _with(image={"slot": {"lease": "a"}}), field),
        "image-empty": wrong("image", "No bytes and no reference.", _with(image={}), field),
        "image-no-bytes": wrong("image", "No bytes.", without("attachment"), field),
        "image-two-bytes": wrong("image", "Two kinds of bytes.", _image(data=b"a"), field),
        "image-three-bytes": wrong("image", "Three kinds of bytes.", _image(data=b"a", base64="YQ=="), field),
        "image-attachment-missing": wrong("image.attachment", "An attachment that did not come.", _image(attachment=1)),
        "image-attachment-negative": wrong("image.attachment", "Counted from the end.", _image(attachment=-1)),
        "image-attachment-huge": wrong("image.attachment", "A huge index.", _image(attachment=2**63)),
        "image-no-encoding": wrong("image.encoding", "Bytes without an encoding.", without("encoding"), field),
        "image-base64-no-encoding": wrong(
            "image.encoding", "Plain Base64 without an encoding.", _with(image={"base64": "YQ=="}), field
        ),
        "image-encoding-unknown": wrong(
            "image.encoding", "No such encoding.", _image(encoding="gif"), "unknown_encoding"
        ),
        "image-encoding-16-bit": wrong(
            "image.encoding", "A word of ROS, not used here.", _image(encoding="mono16"), "unknown_encoding"
        ),
        "image-no-width": wrong("image.width", "Raw without a width.", without("width"), field),
        "image-no-height": wrong("image.height", "Raw without a height.", without("height"), field),
        "image-width-zero": wrong("image.width", "No columns.", _image(width=0)),
        "image-height-negative": wrong("image.height", "Fewer than no rows.", _image(height=-3)),
        "image-width-large": wrong("image.width", "A side over the limit.", _image(width=32_768)),
        "image-file-width": wrong(
            "image.width", "A side over the limit, of a file.", _with(image={**file, "width": 40_000})
        ),
        "image-pixels": wrong("image", "Too many pixels.", _image(width=8001, height=8000), "too_large"),
        "image-file-pixels": wrong(
            "image",
            "Too many pixels, of a file.",
            _with(image={**file, "width": 30_000, "height": 30_000}),
            "too_large",
        ),
        "image-step-small": wrong("image.step", "Shorter than a row.", _image(step=14)),
        "image-step-zero": wrong("image.step", "0 is no step.", _image(step=0)),
        "image-step-negative": wrong("image.step", "Rows backwards.", _image(step=-15)),
        "image-step-huge": wrong("image.step", "Longer than a frame may be.", _image(step=2**40)),
        "image-step-file": wrong("image.step", "A file has no step.", _with(image={**file, "step": 15}), field),
    }


def _prompts() -> dict[str, Json]:
    def wrong(path: str, about: str, code: str = "invalid_value", /, **fields: Any) -> Json:
        return invalid(code, f"prompt.{path}", about, _prompt(**fields), [b"12345678"])

    nan, infinite = float("nan"), float("inf")
    field, large = "invalid_field", "too_large"
    bits, logits = {"attachment": 0, "encoding": "bits"}, {"attachment": 0, "shape": [1, 2]}
    point, box = [1.0, 1.0], [0, 0, 2, 2]
    return {
        "prompt-negative-text-alone": wrong("negative_text", "Nothing to take them from.", negative_text=["sky"]),
        "prompt-point-nan": wrong("points[1]", "Not a number.", points=[point, [nan, 0.0]]),
        "prompt-point-infinite": wrong("points[0]", "Infinite.", points=[[0.0, infinite]]),
        "prompt-point-minus-infinite": wrong("points[0]", "Infinite.", points=[[-infinite, 0.0]]),
        "prompt-point-one-number": wrong("points[1]", "No y.", field, points=[point, [1.0]]),
        "prompt-point-three-numbers": wrong("points[0]", "A z.", field, points=[[1.0, 2.0, 3.0]]),
        "prompt-point-flat": wrong("points[0]", "Not in pairs.", field, points=[1.0, 2.0]),
        "prompt-point-text": wrong("points[0][1]", "Text.", field, points=[[1.0, "2"]]),
        "prompt-point-nil": wrong("points[0][0]", "nil.", field, points=[[None, 2.0]]),
        "prompt-point-map": wrong("points[0]", "A map.", field, points=[{"x": 1, "y": 2}]),
        "prompt-points-many": wrong("points", "1,001 points.", large, points=[[0, 0]] * 1001),
        "prompt-labels-short": wrong("labels", "Fewer labels than points.", points=[point, point], labels=[1]),
        "prompt-labels-long": wrong("labels", "More labels than points.", points=[point], labels=[1, 0]),
        "prompt-labels-alone": wrong("labels", "Labels without points.", labels=[1]),
        "prompt-label-two": wrong("labels[1]", "A label of 2.", points=[point, point], labels=[1, 2]),
        "prompt-label-negative": wrong("labels[0]", "A label of -1.", points=[point], labels=[-1]),
        "prompt-label-bool": wrong("labels[0]", "A bool.", field, points=[point], labels=[True]),
        "prompt-label-float": wrong("labels[0]", "A float.", field, points=[point], labels=[1.0]),
        "prompt-box-x-order": wrong("boxes[0]", "Right of its right edge.", boxes=[[3, 0, 1, 2]]),
        "prompt-box-y-order": wrong("boxes[1]", "Below its lower edge.", boxes=[box, [0, 2, 2, 1]]),
        "prompt-box-no-width": wrong("boxes[0]", "No width.", boxes=[[1, 0, 1, 2]]),
        "prompt-box-nan": wrong("boxes[0]", "Not a number.", boxes=[[0, nan, 2, 2]]),
        "prompt-box-infinite": wrong("boxes[0]", "Infinite.", boxes=[[0, 0, infinite, 2]]),
        "prompt-box-three-numbers": wrong("boxes[0]", "Three numbers.", field, boxes=[[0, 0, 2]]),
        "prompt-box-text": wrong("boxes[0][3]", "Text.", field, boxes=[[0, 0, 2, "2"]]),
        "prompt-boxes-many": wrong("boxes", "257 boxes.", large, boxes=[[0, 0, 1, 1]] * 257),
        "prompt-boxes-and-points": wrong("points", "Points of which box?", points=[point], boxes=[box, box]),
        "prompt-text-empty": wrong("text[1]", "No characters.", text=["cup", ""]),
        "prompt-text-blank": wrong("text[0]", "White space.", text=[" \t\n"]),
        "prompt-text-long": wrong("text[0]", "1,001 characters.", large, text=["x" * 1001]),
        "prompt-text-many": wrong("text", "65 texts.", large, text=["x"] * 65),
        "prompt-text-alone": wrong("text", "Text, not an array.", field, text="cup"),
        "prompt-text-int": wrong("text[0]", "A number.", field, text=[5]),
        "prompt-negative-empty": wrong("negative_text[0]", "No characters.", text=["cup"], negative_text=[""]),
        "prompt-negative-long": wrong("negative_text[0]", "1,001 characters.", large, negative_text=["x" * 1001]),
        "prompt-negative-many": wrong("negative_text", "65 texts.", large, negative_text=["x"] * 65),
        "prompt-mask-encoding": wrong(
            "mask.encoding",
            "Not an encoding for prompts.",
            "unknown_encoding",
            mask={"attachment": 0, "encoding": "polygon"},
        ),
        "prompt-mask-no-bytes": wrong("mask", "No bytes.", field, mask={"encoding": "bits"}),
        "prompt-mask-two-bytes": wrong("mask", "Two kinds of bytes.", field, mask={**bits, "data": b"a"}),
        "prompt-mask-attachment": wrong("mask.attachment", "It did not come.", mask={**bits, "attachment": 1}),
        "prompt-mask-counts": wrong("mask.counts", "Counts for bits.", field, mask={**bits, "counts": "0"}),
        "prompt-mask-rle-no-counts": wrong("mask.counts", "No counts.", field, mask={"encoding": "rle"}),
        "prompt-mask-rle-bytes": wrong(
            "mask", "Bytes for rle.", field, mask={"encoding": "rle", "counts": "0", "attachment": 0}
        ),
        "prompt-logits-no-bytes": wrong("logits", "No bytes.", field, logits={"shape": [1, 2]}),
        "prompt-logits-attachment": wrong("logits.attachment", "It did not come.", logits={**logits, "attachment": 9}),
        "prompt-logits-shape-zero": wrong("logits.shape", "No rows.", logits={**logits, "shape": [0, 2]}),
        "prompt-logits-shape-large": wrong("logits.shape", "A side over 4096.", logits={**logits, "shape": [4097, 1]}),
        "prompt-logits-shape-one": wrong("logits.shape", "One side.", field, logits={**logits, "shape": [2]}),
    }


def _contents() -> dict[str, Json]:
    """Messages whose headers are right and whose bytes, or prompts, do not go with the image."""

    def wrong(code: str, path: str, about: str, message: dict[str, Any], *parts: bytes) -> Json:
        return invalid(code, path, about, message, parts, stage="content")

    def file(encoding: str, data: bytes, about: str, **more: int) -> Json:
        image = {"attachment": 0, "encoding": encoding, **more}
        return wrong("invalid_image", "image", about, _with(image=image), data)

    def prompted(path: str, about: str, prompt: dict[str, Any], *parts: bytes) -> Json:
        return wrong("invalid_value", path, about, _with(image=_RAW, prompt=prompt), _PIXELS[0], *parts)

    png = pictures.pattern_png()
    text = base64.b64encode(png).decode()
    small = rle.encode(np.ones((2, 2), np.bool_))
    mask = {"attachment": 1, "encoding": "bits"}
    return {
        "content-raw-short": wrong("invalid_image", "image", "A byte too few.", _image(), _PIXELS[0][:-1]),
        "content-raw-long": wrong("invalid_image", "image", "A byte too many.", _image(), _PIXELS[0] + b"\0"),
        "content-raw-empty": wrong("invalid_image", "image", "No pixels.", _image(), b""),
        "content-step-short": wrong("invalid_image", "image", "Too few for this step.", _image(step=20), _PIXELS[0]),
        "content-jpeg-cut": file("jpeg", pictures.JPEG[:-30], "A JPEG that is cut short."),
        "content-jpeg-noise": file("jpeg", b"not a picture", "No picture at all."),
        "content-png-cut": file("png", png[:-20], "A PNG that is cut short."),
        "content-png-checksum": file("png", png[:-5] + b"\0" + png[-4:], "A PNG with a wrong checksum."),
        "content-webp-cut": file("webp", pictures.WEBP[:-9], "A WebP that is cut short."),
        "content-other-format": wrong(
            "invalid_image",
            "image.encoding",
            "A PNG that is said to be a JPEG.",
            _with(image={"attachment": 0, "encoding": "jpeg"}),
            png,
        ),
        "content-other-width": file("png", png, "Another width than announced.", width=6),
        "content-turned-size": file(
            "jpeg", pictures.jpeg_turned(), "The size before it is upright.", width=16, height=8
        ),
        "content-base64-alphabet": wrong(
            "invalid_field", "image.base64", "Not Base64.", _with(image={"base64": "!!!!", "encoding": "png"})
        ),
        "content-base64-cut": wrong(
            "invalid_field", "image.base64", "Base64 cut short.", _with(image={"base64": text[:-1], "encoding": "png"})
        ),
        "content-data-url-plain": wrong(
            "invalid_field",
            "image.base64",
            "A data-URL without `;base64`.",
            _with(image={"base64": f"data:image/png,{text}"}),
        ),
        "content-point-right": prompted("prompt.points[1]", "x is the width.", {"points": [[4.99, 0], [5, 0]]}),
        "content-point-below": prompted("prompt.points[0]", "y is the height.", {"points": [[0, 3]]}),
        "content-point-left": prompted("prompt.points[0]", "x is below 0.", {"points": [[-0.01, 0]]}),
        "content-box-outside": prompted(
            "prompt.boxes[0]", "It ends past the right edge.", {"boxes": [[0, 0, 5.01, 3]]}
        ),
        "content-box-above": prompted("prompt.boxes[1]", "It starts above.", {"boxes": [[0, 0, 5, 3], [0, -1, 5, 3]]}),
        "content-mask-bits-size": prompted("prompt.mask", "Bits of another size.", {"mask": mask}, b"\x00\x00"),
        "content-mask-raw-size": prompted(
            "prompt.mask", "Bytes of another size.", {"mask": {**mask, "encoding": "raw"}}, b"\x00"
        ),
        "content-mask-zlib": prompted(
            "prompt.mask", "No zlib stream.", {"mask": {**mask, "encoding": "bits+zlib"}}, b"\x00\x00\x00"
        ),
        "content-mask-png-size": prompted(
            "prompt.mask",
            "A PNG of another size.",
            {"mask": {**mask, "encoding": "png"}},
            pictures.mask_png(np.ones((2, 2), np.bool_)),
        ),
        "content-mask-rle-size": prompted(
            "prompt.mask", "Runs of another size.", {"mask": {"encoding": "rle", "counts": small}}
        ),
        "content-mask-rle-noise": prompted(
            "prompt.mask", "No runs.", {"mask": {"encoding": "rle", "counts": "\x7f é"}}
        ),
        "content-logits-size": prompted(
            "prompt.logits", "Too few bytes.", {"logits": {"attachment": 1, "shape": [2, 2]}}, bytes(15)
        ),
        "content-logits-nan": prompted(
            "prompt.logits",
            "Not a number.",
            {"logits": {"attachment": 1, "shape": [1, 1]}},
            np.float32("nan").tobytes(),
        ),
    }


def _replies() -> dict[str, Json]:
    def wrong(path: str, about: str, message: dict[str, Any], code: str = "invalid_field", **more: Any) -> Json:
        return invalid(code, path, about, message, kind="reply", **more)

    mask = {"bbox": [0, 0, 1, 1], "area": 1, "predicted_iou": 1.0, "stability_score": 1.0}
    masks = {"maskbus": "1.0", "reply": "segment", "id": "s", "model": "echo", "width": 2, "height": 1, "masks": [mask]}
    pong = {
        "maskbus": "1.0",
        "reply": "ping",
        "node": "a",
        "version": "1",
        "uptime_s": 1.0,
        "endpoints": [],
        "publish_endpoints": [],
    }
    progress = {"maskbus": "1.3", "reply": "progress", "id": "s", "done": 1, "total": 2, "found": 0}

    def changed(**fields: Any) -> dict[str, Any]:
        return {**masks, "masks": [{**mask, **fields}]}

    missing = {
        f"reply-{name}-missing-{field.encode_name}": wrong(
            field.encode_name,
            f"`{field.encode_name}` is missing, and all else but the version.",
            {"maskbus": "1.0", "reply": name},
        )
        for name, kind in REPLIES.items()
        for field in [item for item in msgspec.structs.fields(kind) if item.required][:1]
    }
    return {
        **missing,
        "reply-truncated": invalid("malformed", "", "Cut short.", header.pack(masks)[:-1], kind="reply"),
        "reply-unknown": wrong("reply", "No such reply.", {**pong, "reply": "sing"}, "unknown_operation"),
        "reply-nothing": wrong("reply", "A request, sent to a client.", _PING),
        "reply-version-future": wrong("maskbus", "The next major.", {**pong, "maskbus": "2.0"}, "unsupported_version"),
        "reply-version-missing": wrong("maskbus", "No version.", {"reply": "ping"}),
        "reply-uptime-text": wrong("uptime_s", "Text.", {**pong, "uptime_s": "1"}),
        "reply-endpoints-text": wrong("endpoints", "Text.", {**pong, "endpoints": "tcp://127.0.0.1:7710"}),
        "reply-bbox-three": wrong("masks[0].bbox", "Three numbers.", changed(bbox=[0, 0, 1])),
        "reply-bbox-float": wrong("masks[0].bbox[2]", "A fraction.", changed(bbox=[0, 0, 1.5, 1])),
        "reply-area-missing": wrong("masks[1].area", "No area.", {**masks, "masks": [mask, {"bbox": [0, 0, 1, 1]}]}),
        "reply-rle-size": wrong("masks[0].rle.size", "One side.", changed(rle={"size": [1], "counts": "0"})),
        "reply-rle-bytes": wrong("masks[0].rle.counts", "Bytes.", changed(rle={"size": [1, 2], "counts": b"0"})),
        "reply-point-one": wrong("masks[0].point", "No y.", changed(point=[1.0])),
        "reply-crop-box-float": wrong("masks[0].crop_box[2]", "A fraction.", changed(crop_box=[0, 0, 1.5, 1])),
        "reply-notes-text": wrong("notes", "Not in an array.", {**masks, "notes": "Less."}),
        "reply-everything-masks": wrong("masks", "A number.", {**masks, "reply": "everything", "masks": 1}),
        "reply-progress-done": wrong("done", "Text.", {**progress, "done": "1"}),
        "reply-progress-masks": wrong("masks[0].area", "No area.", {**progress, "masks": [{"bbox": [0, 0, 1, 1]}]}),
        "reply-png-bytes": wrong("masks[0].png", "Bytes without a map.", changed(png=b"0")),
        "reply-polygon-flat": wrong("masks[0].polygon[0]", "Not in rings.", changed(polygon=[0.0, 0.0, 1.0, 1.0])),
        "reply-labels-dtype": wrong(
            "labels.dtype", "No such type.", {**masks, "labels": {"shape": [1, 2], "dtype": "int64"}}, "invalid_value"
        ),
        "reply-attachment-missing": wrong(
            "masks[0].bits.attachment",
            "An attachment that did not come.",
            changed(bits={"attachment": 0}),
            "invalid_value",
            stage="content",
        ),
        "reply-attachment-negative": wrong(
            "masks[0].bits.attachment",
            "From the end.",
            changed(bits={"attachment": -1}),
            "invalid_value",
            stage="content",
        ),
        "reply-blob-empty": wrong("masks[0].bits", "No bytes.", changed(bits={}), stage="content"),
    }
