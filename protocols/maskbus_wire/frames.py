"""Frames to typed messages and back; no socket anywhere.

A message is `[header] [attachment]*`. The empty delimiter before it belongs to the transport, which adds and strips it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from maskbus_wire import header
from maskbus_wire.errors import WireError
from maskbus_wire.limits import DEFAULT_LIMITS, Limits
from maskbus_wire.replies import REPLIES, AnyReply, Error, Reply
from maskbus_wire.requests import OPERATIONS, AnyRequest, Request
from maskbus_wire.version import MAJOR, SPOKEN, VERSION, major_of

Buffer = bytes | bytearray | memoryview

_WHERE = re.compile(r" - at `(?:key` in `)?\$\.?(?P<path>[^`]*)`$")
_SENTENCE = 200
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")


@dataclass(frozen=True)
class Envelope:
    """What can be told of a message before it is known to be valid: enough to answer it."""

    id: str = ""
    stamp: int | None = None
    frame_id: str | None = None
    stream: str | None = None
    seq: int | None = None


_Message = TypeVar("_Message")


def encode(message: Request | Reply, attachments: Sequence[Buffer] = ()) -> list[Buffer]:
    """Return the frames of a message: its header as msgpack, then the attachments as they are."""
    plain = {"maskbus": message.maskbus, **msgspec.to_builtins(message, builtin_types=(bytes,))}
    return [header.pack(plain), *attachments]


def error_reply(envelope: Envelope, error: WireError) -> Error:
    """Return the reply that answers a message with an error."""
    detail: dict[str, Any] = dict(error.detail)
    return Error(
        id=envelope.id,
        code=error.code,
        message=error.message,
        path=error.path,
        stamp=envelope.stamp,
        frame_id=envelope.frame_id,
        stream=envelope.stream,
        seq=envelope.seq,
        **detail,
    )


def open_header(frames: Sequence[Buffer], limits: Limits = DEFAULT_LIMITS) -> tuple[dict[str, Any], Envelope]:
    """Return a message's header as a plain map, and what is needed to answer it.

    Raises:
        WireError: `malformed` or `too_large`.
    """
    if not frames:
        raise WireError("malformed", "The message has no header frame.")
    if len(frames) - 1 > limits.attachments:
        raise WireError("too_large", f"The message has more than {limits.attachments} attachments.")
    plain = header.unpack(_as_bytes(frames[0]), limits)
    return plain, _envelope(plain, limits)


def decode_request(plain: dict[str, Any]) -> AnyRequest:
    """Return the typed request of a header map.

    Raises:
        WireError: `unsupported_version`, `unknown_operation`, `invalid_field`, `unknown_encoding` or `invalid_value`.
    """
    _check_version(plain)
    operation = plain.get("op")
    if not isinstance(operation, str):
        raise WireError("invalid_field", "The field is missing or not text.", "op")
    kind = OPERATIONS.get(operation)
    if kind is None:
        raise WireError("unknown_operation", f"There is no operation {operation[:64]!r}.", "op")
    return _convert(plain, kind)


def decode_reply(plain: dict[str, Any]) -> AnyReply:
    """Return the typed reply of a header map.

    Raises:
        WireError: as `decode_request`.
    """
    _check_version(plain)
    name = plain.get("reply")
    if not isinstance(name, str):
        raise WireError("invalid_field", "The field is missing or not text.", "reply")
    kind = REPLIES.get(name)
    if kind is None:
        raise WireError("unknown_operation", f"There is no reply {name[:64]!r}.", "reply")
    return _convert(plain, kind)


def _as_bytes(frame: Buffer) -> bytes | memoryview:
    return bytes(frame) if isinstance(frame, bytearray) else frame


def _envelope(plain: dict[str, Any], limits: Limits) -> Envelope:
    def text(name: str) -> str | None:
        value = plain.get(name)
        return value if isinstance(value, str) and len(value) <= limits.name_chars else None

    def number(name: str) -> int | None:
        value = plain.get(name)
        return value if type(value) is int and -(2**63) <= value < 2**63 else None

    return Envelope(text("id") or "", number("stamp"), text("frame_id"), text("stream"), number("seq"))


def _check_version(plain: dict[str, Any]) -> None:
    version = plain.get("maskbus")
    if version == VERSION:
        return
    if version is None:
        raise WireError("invalid_field", 'The version of the wire is missing ("1.0", say).', "maskbus")
    major = major_of(version)
    if major is None:
        raise WireError("invalid_field", 'The version must be text such as "1.0".', "maskbus")
    if major != MAJOR:
        raise WireError(
            "unsupported_version",
            f"Version {version} is not spoken here; {', '.join(SPOKEN)} is.",
            "maskbus",
            versions=list(SPOKEN),
        )


def _convert(plain: dict[str, Any], kind: type[_Message]) -> _Message:
    try:
        return msgspec.convert(plain, kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None


def _explain(text: str) -> WireError:
    """Turn the schema's complaint into a code, a sentence and a path."""
    where = _WHERE.search(text)
    path = where["path"] if where else ""
    sentence = text[: where.start()] if where else text
    if len(sentence) > _SENTENCE:  # it quotes what was sent
        sentence = sentence[:_SENTENCE] + "…"
    missing = _MISSING.match(sentence)
    if missing:
        path = f"{path}.{missing['name']}" if path else missing["name"]
        return WireError("invalid_field", "The field is missing.", path)
    if sentence.startswith("Invalid enum value"):
        code = "unknown_encoding" if path.rpartition(".")[2].startswith("encoding") else "invalid_value"
        return WireError(code, sentence.replace("enum value", "value") + ".", path)
    return WireError("invalid_field", sentence + ".", path)
