"""A body of any kind as one of the structs, with the files that came with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from maskbus.adapters.http import multipart, text_fields
from maskbus.adapters.http.bodies import AnyBody
from maskbus.adapters.http.problems import Refused, complaint
from maskbus_wire import base64_text
from maskbus_wire.limits import DEFAULT_LIMITS

JSON = "application/json"
MULTIPART = "multipart/form-data"
IMAGES = ("image/jpeg", "image/png", "image/webp", "application/octet-stream")
"""What a body that is an image may call itself."""
_FILES = frozenset({"image", "mask"})

_Body = TypeVar("_Body", bound=AnyBody)


class Intake(NamedTuple):
    """What has come."""

    body: AnyBody
    image: bytes | None
    """The image's file; None where there is none."""
    mask: bytes | None
    """The file of a mask, where it came apart."""


def take(data: bytes, content_type: str, query: Sequence[tuple[str, str]], kind: type[_Body]) -> Intake:
    """Return what a request says. Takes as long as its body is large: not for the event loop.

    Args:
        data: The body.
        content_type: What it is.
        query: What stands in the address: fields as well, whatever the body is.
        kind: The struct.

    Raises:
        Refused: for what is not like that.
    """
    media = content_type.partition(";")[0].strip().lower()
    if media == JSON:
        return _with_image(_json(data, query, kind))
    if media == MULTIPART:
        return _form(data, content_type, query, kind)
    if media in IMAGES:
        if not data:
            raise Refused("invalid_field", "The body is empty.", "image")
        return Intake(_merged({}, query, kind), data, None)
    known = ", ".join((JSON, MULTIPART, *IMAGES[:-1]))
    said = f"not {media[:80]}" if media else "and it has none"
    raise Refused("unsupported_media_type", f"The body's Content-Type is one of {known}, {said}.")


def _json(data: bytes, query: Sequence[tuple[str, str]], kind: type[_Body]) -> _Body:
    try:
        if not query:
            return msgspec.json.decode(data, type=kind)
        return _merged(msgspec.json.decode(data, type=dict[str, Any]), query, kind)
    except msgspec.ValidationError as error:
        raise complaint(error, kind) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused("malformed", f"The body is no JSON: {error}.") from None
    except RecursionError:
        raise Refused("malformed", "The body's JSON goes too deep.") from None


def _merged(plain: dict[str, Any], fields: Sequence[tuple[str, str]], kind: type[_Body]) -> _Body:
    """Return what stands in JSON and in text fields; no field may be in both."""
    try:
        body = msgspec.convert(plain, kind)
        texts = text_fields.plain_of(fields)
        more = msgspec.convert(texts, kind, strict=False)
    except msgspec.ValidationError as error:
        raise complaint(error, kind) from None
    for name in texts.keys() & plain.keys():
        raise Refused("invalid_field", "The field is there twice.", name)
    return msgspec.structs.replace(body, **{name: getattr(more, name) for name in texts})


def _form(data: bytes, content_type: str, query: Sequence[tuple[str, str]], kind: type[_Body]) -> Intake:
    files: dict[str, bytes] = {}
    fields: list[tuple[str, str]] = []
    plain: dict[str, Any] = {}
    for part in multipart.parts_of(data, content_type):
        if part.is_file:
            if part.name not in _FILES or part.name in files:
                raise Refused("invalid_field", "The files of a form are one image, and one mask.", part.name[:80])
            files[part.name] = part.data
        elif part.name == "request":
            try:
                plain = msgspec.json.decode(part.data, type=dict[str, Any])
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                raise Refused("invalid_field", "The field is no JSON object.", "request") from None
        else:
            try:
                fields.append((part.name, part.data.decode()))
            except UnicodeDecodeError:
                raise Refused("invalid_field", "The field is no UTF-8 text.", part.name[:80]) from None
    body = _merged(plain, [*query, *fields], kind)
    given = _with_image(body)
    if "image" in files and given.image is not None:
        raise Refused("invalid_field", "The image is there twice.", "image")
    return Intake(body, files.get("image", given.image), files.get("mask"))


def _with_image(body: AnyBody) -> Intake:
    if not body.image:
        return Intake(body, None, None)
    try:
        return Intake(body, base64_text.decode(body.image, max_bytes=DEFAULT_LIMITS.frame_bytes), None)
    except ValueError as error:
        sentence = str(error)
        raise Refused("invalid_image", f"{sentence[:1].upper()}{sentence[1:]}.", "image") from None
