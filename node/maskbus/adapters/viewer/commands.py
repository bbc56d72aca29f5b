"""What a page says to its server, one JSON text each; everything else that comes is refused."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

MOST_BYTES = 32 * 1024
"""Of one message from a page."""
SIDES = (160, 2560)
"""The least and the most pixels that a page may want a picture's longer side to have."""

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Side = Annotated[int, msgspec.Meta(ge=1, le=65_536)]
_ObjectId = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class Command(msgspec.Struct, frozen=True, tag_field="do", forbid_unknown_fields=True):
    """What every command is."""


class Hello(Command, frozen=True, tag="hello"):
    """Come first, and prove that this page was opened by the one who started the server."""

    token: Annotated[str, msgspec.Meta(max_length=256)]


class Show(Command, frozen=True, tag="show"):
    """Name the streams that can be seen on the page now, and the pixels that the longer side of each has there."""

    streams: Annotated[dict[_Name, _Side], msgspec.Meta(max_length=256)]


class Ack(Command, frozen=True, tag="ack"):
    """Say that the last message has been shown: the next may come."""


class StreamCommand(Command, frozen=True):
    """What the commands about one stream share."""

    stream: _Name


class Point(StreamCommand, frozen=True, tag="point"):
    """Click: x, y in pixels of the frame, 1 = object and 0 = background. `object` only where objects are followed."""

    x: float
    y: float
    label: Literal[0, 1] = 1
    object: _ObjectId | None = None


class Box(StreamCommand, frozen=True, tag="box"):
    """Drag a box: x0, y0, x1, y1 in pixels of the frame."""

    box: tuple[float, float, float, float]
    object: _ObjectId | None = None


class Back(StreamCommand, frozen=True, tag="back"):
    """Take the last click or box back."""


class Clear(StreamCommand, frozen=True, tag="clear"):
    """Begin anew with the clicks."""


class Remove(StreamCommand, frozen=True, tag="remove"):
    """Follow an object no longer."""

    object: _ObjectId


AnyStreamCommand = Point | Box | Back | Clear | Remove
AnyCommand = Hello | Show | Ack | Point | Box | Back | Clear | Remove
_decoder = msgspec.json.Decoder(AnyCommand)


def read(text: str) -> AnyCommand:
    """Return the command in a message. ValueError if it is none."""
    if len(text) > MOST_BYTES:
        raise ValueError(f"A message of {len(text)} characters; the limit is {MOST_BYTES}.")
    command: AnyCommand = _decoder.decode(text)
    return command
