"""A body as a request of the wire, with the bytes that go with it."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec.structs import asdict

from maskbus.adapters.http.bodies import AnyBody, EmbedBody, Route, SegmentBody
from maskbus.adapters.http.problems import Refused
from maskbus.adapters.http.prompting import prompt_of
from maskbus.adapters.http.settings import Additions
from maskbus_client.link import new_id
from maskbus_wire import compressed_image, requests
from maskbus_wire.checks import check_request
from maskbus_wire.frames import Buffer
from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.prompts import Image, Prompt
from maskbus_wire.requests import Encoding, EverythingOptions

_EVERYTHING = 600_000
"""Milliseconds for everything in an image, where a request does not say."""


class Question(NamedTuple):
    """A request and its attachments."""

    request: requests.AnyWork
    attachments: list[Buffer]


def question_of(
    body: AnyBody, image: bytes | None, mask: bytes | None, additions: Additions, encodings: list[Encoding]
) -> Question:
    """Return what the node is to be asked.

    Args:
        body: The body.
        image: The image's file; None where the node has it.
        mask: The file of a mask that came apart.
        additions: What is added where the body does not say.
        encodings: How masks come back where the body does not say.

    Raises:
        Refused, WireError: for what the node would not take.
    """
    attachments: list[Buffer] = []
    picture, size = _image(body, image, attachments)
    common: dict[str, Any] = {
        "id": new_id(),
        "image": picture,
        "model": body.model,
        "route": _route(body.route),
        "lane": body.lane,
        "deadline_ms": body.deadline_ms,
        "stamp": body.stamp,
        "frame_id": body.frame_id,
        "stream": body.stream,
        "seq": body.seq,
    }
    request: requests.AnyWork
    if isinstance(body, EmbedBody):
        request = requests.Embed(**common)
    else:
        if mask is not None:
            attachments.append(mask)
        prompt = prompt_of(body, None if mask is None else len(attachments) - 1, size)
        common |= {
            "encodings": wanted_of(body, encodings),
            "keep": body.keep,
            "publish": body.publish,
            "fresh": body.fresh,
            "max_side": additions.max_side if body.max_side is None else body.max_side,
            "post": body.post or additions.post,
        }
        request = _everything(body, common, additions) if prompt == Prompt() else _segment(body, common, prompt)
    check_request(request, len(attachments), DEFAULT_LIMITS)
    return Question(request, attachments)


def wanted_of(body: SegmentBody, otherwise: list[Encoding]) -> list[Encoding]:
    """Return how the masks are to come back. Refused where that is said twice."""
    if body.encoding is None:
        return otherwise if body.encodings is None else body.encodings
    if body.encodings is not None:
        raise Refused("invalid_field", "Give either encoding or encodings, not both.", "encoding")
    return [body.encoding] if isinstance(body.encoding, str) else body.encoding


def _segment(body: SegmentBody, common: dict[str, Any], prompt: Prompt) -> requests.Segment:
    for name in ("preset", "settings"):
        if getattr(body, name) is not None:
            raise Refused("invalid_value", "Only a request without a prompt, for everything, has it.", name)
    return requests.Segment(
        prompt=prompt,
        multimask=body.multimask,
        text_options=body.text_options,
        options=body.options,
        **common,
    )


def _everything(body: SegmentBody, common: dict[str, Any], additions: Additions) -> requests.Everything:
    for name, there in (
        ("multimask", body.multimask),
        ("options", body.options),
        ("text_options", body.text_options is not None),
    ):
        if there:
            raise Refused("invalid_value", "It goes with a prompt: points, boxes, a mask or a text.", name)
    given = {} if body.settings is None else _said(body.settings)
    return requests.Everything(
        preset=body.preset or "default",
        settings=EverythingOptions(**(_said(additions.everything) | given)),
        **{**common, "deadline_ms": common["deadline_ms"] or _EVERYTHING},
    )


def _said(settings: EverythingOptions) -> dict[str, Any]:
    return {name: value for name, value in asdict(settings).items() if value is not None}


def _route(route: list[str] | Route | None) -> requests.Route | None:
    if not isinstance(route, list):
        return route
    if not route:
        raise Refused("invalid_value", "No model is named.", "route")
    return requests.Route(models=route)


def _image(body: AnyBody, image: bytes | None, attachments: list[Buffer]) -> tuple[Image, tuple[int, int] | None]:
    """Return the image, and its height and width where they are known here."""
    if body.image_id is not None:
        if image is not None:
            raise Refused("invalid_field", "Give either image or image_id, not both.", "image_id")
        return Image(image_id=body.image_id), None
    if image is None:
        raise Refused("invalid_field", "The field is missing.", "image")
    try:
        encoding, width, height = compressed_image.probe(image)
    except ValueError as error:
        raise Refused(
            "invalid_image", f"An image is a JPEG, PNG or WebP file; this is not: {error}.", "image"
        ) from None
    attachments.append(image)
    return Image(attachment=len(attachments) - 1, encoding=encoding), (height, width)
