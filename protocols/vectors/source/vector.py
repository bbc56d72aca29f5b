"""What a vector is, and how it is written down as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from maskbus_wire import frames, header
from maskbus_wire.replies import Reply
from maskbus_wire.requests import Request

Json = dict[str, Any]


def to_json(value: object) -> Any:
    """Return `value` as plain JSON: bytes become {"$hex": …}, structs become maps with all fields, defaults too."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$hex": bytes(value).hex()}
    if isinstance(value, msgspec.Struct):
        fields = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        plain = {name: to_json(getattr(value, field)) for name, field in fields}
        config = value.__struct_config__
        if isinstance(value, (Request, Reply)):
            return {"maskbus": plain.pop("maskbus"), str(config.tag_field): config.tag, **plain}
        return plain
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_json(item) for item in value]
    return value


def write(vector: Json) -> str:
    """Return the text of a vector's file."""
    return json.dumps(vector, indent=1, ensure_ascii=False) + "\n"


def typed(
    message: Request | Reply, about: str, attachments: Sequence[bytes] = (), topic: str = "", **more: Any
) -> Json:
    """Return a valid vector in the canonical form of `message`."""
    kind = "published" if topic else "request" if isinstance(message, Request) else "reply"
    message = decode(kind, frames.encode(message))  # so that 1 becomes 1.0 where a float belongs
    encoded = frames.encode(message, attachments)
    return _valid(about, kind, [bytes(frame) for frame in encoded], message, topic, canonical=True, more=more)


def plain(kind: str, value: Mapping[str, Any] | bytes, about: str, attachments: Sequence[bytes] = ()) -> Json:
    """Return a valid vector whose header is `value` as it is: one that says the same in another way."""
    packed = value if isinstance(value, bytes) else header.pack(value)
    parts = [packed, *attachments]
    return _valid(about, kind, parts, decode(kind, parts), "", canonical=False, more={})


def invalid(
    code: str, path: str, about: str, value: Mapping[str, Any] | bytes, attachments: Sequence[bytes] = (), **more: Any
) -> Json:
    """Return a vector that a receiver must answer with this error."""
    packed = value if isinstance(value, bytes) else header.pack(value)
    vector = {"about": about, "kind": "request", **more, "frames": [part.hex() for part in (packed, *attachments)]}
    return {**vector, "error": {"code": code, "path": path}}


def decode(kind: str, parts: Sequence[frames.Buffer]) -> Request | Reply:
    """Return the typed message of `parts`, which have no topic."""
    opened, _ = frames.open_header(parts)
    return frames.decode_request(opened) if kind == "request" else frames.decode_reply(opened)


def _valid(
    about: str, kind: str, parts: Sequence[bytes], message: Request | Reply, topic: str, *, canonical: bool, more: Json
) -> Json:
    parts = [topic.encode(), *parts] if topic else parts
    vector = {"about": about, "kind": kind, "canonical": canonical, "frames": [part.hex() for part in parts]}
    return {**vector, "message": to_json(message), **to_json(more)}
