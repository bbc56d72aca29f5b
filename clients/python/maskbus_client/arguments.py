"""Arguments that the operations share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, cast, get_args

from maskbus_client import image_input
from maskbus_client.handle import KeptImage
from maskbus_client.image_input import PreparedImage
from maskbus_wire import requests

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
