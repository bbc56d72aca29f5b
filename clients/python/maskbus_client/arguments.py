"""Arguments that the operations share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, cast, get_args

from maskbus_client import image_input
from maskbus_client.errors import BY_CODE
from maskbus_client.handle import KeptImage
from maskbus_client.image_input import PreparedImage
from maskbus_wire import requests
from maskbus_wire.checks import check_request
from maskbus_wire.errors import WireError
from maskbus_wire.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from maskbus_client.image_input import Color, Sendable

Lane = Literal["interactive", "stream", "batch"]
"""Which of the node's queues: interactive goes before stream, stream before batch."""
LANES: tuple[str, ...] = get_args(Lane)
ENCODINGS: tuple[str, ...] = get_args(requests.Encoding)
"""How masks can come back."""


def encodings_of(encoding: str | Sequence[str]) -> list[requests.Encoding]:
    """Return the encodings that were asked for. ValueError for one that does not exist."""
    names = [encoding] if isinstance(encoding, str) else list(encoding)
    for name in names:
        if name not in ENCODINGS:
            raise ValueError(f"There is no mask encoding {name!r}; there are {', '.join(ENCODINGS)}.")
    return cast("list[requests.Encoding]", names)


def take_image(image: Sendable | KeptImage, color: Color) -> tuple[KeptImage | None, PreparedImage]:
    """Return the handle, if the image is one, and the image as it goes out. ValueError for a released handle."""
    if not isinstance(image, KeptImage):
        return None, image_input.prepare(image, color)
    image.check_open()
    return image, image.reference()


def model_of(model: str, kept: KeptImage | None, route: requests.Route | None, texts: Sequence[str] = ()) -> str:
    """Return the model to ask for: with a handle and nothing else, the one that it was made for.

    Args:
        model: The one that the caller names.
        kept: The handle.
        route: The route that the caller gives.
        texts: What the caller looks for: a handle that was made for no model in particular does not say who finds it.
    """
    if model or kept is None or route is not None or (texts and not kept.is_choosy):
        return model
    return kept.model


def check(request: requests.AnyRequest, attachments: int) -> None:
    """Raise for what the node would not take, as the error that it would answer.

    Args:
        request: What is to be sent.
        attachments: How many attachments go with it.
    """
    try:
        check_request(request, attachments, DEFAULT_LIMITS)
    except WireError as error:
        raise BY_CODE[error.code](error.message, path=error.path, request_id=request.id) from None


def check_type(name: str, value: object, kind: type) -> None:
    """Raise TypeError if a value is neither None nor of this type, text or a whole number."""
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name} must be {'text' if kind is str else 'a whole number'}, not {type(value).__name__}.")


def milliseconds(name: str, seconds: float | None) -> int | None:
    """Return seconds as the wire has them. TypeError or ValueError for what is no number of seconds."""
    if seconds is None:
        return None
    try:
        return math.ceil(float(seconds) * 1000)
    except (OverflowError, ValueError):
        raise ValueError(f"{name} must be a number of seconds, not {seconds!r}.") from None
