"""What comes in: the JSON bodies. The names of the wire stand here too, and mean the same.

Other than on the wire, a field that is not known is an error: who writes JSON by hand shall hear of a slip.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from maskbus_wire import requests
from maskbus_wire.prompts import LogitsPrompt
from maskbus_wire.requests import Encoding, Lane

Rows: TypeAlias = list[list[float | bool] | float]
"""Rows of numbers; or the numbers of one row."""


class Route(requests.Route, kw_only=True, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Models that are tried one after the other until one answers well enough."""


class PostProcessing(
    requests.PostProcessing, kw_only=True, frozen=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What is done to masks before they are answered, in this order. Areas are in pixels of the image."""


class TextOptions(requests.TextOptions, kw_only=True, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How masks are chosen by what they show. Left out: as the model is configured."""


class EverythingOptions(
    requests.EverythingOptions, kw_only=True, frozen=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Settings of everything mode that differ from the preset's. Left out: the preset's."""


class MaskInput(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A mask to refine, of the image's size: the `rle` of an answer as it is, or Base64 and what it is."""

    encoding: Literal["raw", "bits", "bits+zlib", "png", "rle"] | None = None
    """How the mask is written; left out: rle where there are `counts`, else png."""
    size: tuple[int, int] | None = None
    """With `counts`, and not needed: height and width of the image."""
    counts: str | None = None
    """COCO compressed RLE."""
    base64: str | None = None
    """The bytes in any other encoding as Base64, plain or as a data-URL."""


class WorkBody(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What all bodies that need a model may hold."""

    image: str = ""
    """A JPEG, PNG or WebP file as Base64, plain or as a data-URL."""
    image_id: str | None = None
    """Instead of `image`: an image that the node keeps, as `/embed` or an answer to `keep` has named it."""
    model: str = ""
    """Name of the model, or of a route such as `auto`; empty: the node's default."""
    route: list[str] | Route | None = None
    """Models that are tried one after the other: their names, or an object that says more; left out: as the node is
    configured."""
    lane: Lane = "interactive"
    """Which of the node's queues."""
    deadline_ms: int | None = None
    """Milliseconds that the answer may take; left out: 30 000, and 600 000 without a prompt."""
    stamp: int | None = None
    """Time of the image, nanoseconds since the epoch. Comes back with the answer, as the next three do."""
    frame_id: str | None = None
    """Coordinate frame of the image."""
    stream: str | None = None
    """Name of the stream that the image is from."""
    seq: int | None = None
    """Number of the image in its stream."""


class SegmentBody(WorkBody, kw_only=True, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An image and what is meant in it. Without points, boxes, mask, logits and text: everything in it."""

    points: Rows | None = None
    """[[x, y, is_positive], …], or [[x, y], …] and `labels`; pixels of the image."""
    labels: list[bool | int] = []
    """1 = object, 0 = background, one a point; left out: all are 1."""
    boxes: Rows | None = None
    """[x0, y0, x1, y1], or several of them, which are several objects."""
    mask: MaskInput | str | None = None
    """A mask to refine: a PNG file as Base64, plain or as a data-URL, or an object, such as the `rle` of an answer."""
    logits: LogitsPrompt | None = None
    """Logits to refine: `shape` and `base64` of an earlier answer's `logits`."""
    text: str | list[str] | None = None
    """What to look for, one text or several."""
    negative_text: str | list[str] = []
    """What not to take for it."""
    multimask: bool = False
    """Whether several hypotheses for one prompt are wanted."""
    encodings: list[Encoding] | None = None
    """How masks come back, one way or several; left out: polygon. Bytes come as Base64."""
    encoding: Encoding | list[Encoding] | None = None
    """The same, for who wants one."""
    max_side: int | None = None
    """The model is shown the image with its longer side at most this long; 0: as it is."""
    post: PostProcessing | None = None
    """What is done to the masks."""
    text_options: TextOptions | None = None
    """How masks are chosen by text."""
    options: dict[str, Any] = {}
    """The model's own options."""
    fresh: bool = False
    """Whether the answer must be computed, though the node may have it already."""
    keep: bool = False
    """Whether the node keeps the image and answers an `image_id`."""
    publish: str | None = None
    """Topic of the bus that the masks are published under as well."""
    preset: str | None = None
    """Without a prompt: where the settings come from, default, dense or fast."""
    settings: EverythingOptions | None = None
    """Without a prompt: settings that differ from the preset's."""


class EmbedBody(WorkBody, kw_only=True, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An image that the node keeps, so that later prompts need not send it, and cost less."""


AnyBody = SegmentBody | EmbedBody
