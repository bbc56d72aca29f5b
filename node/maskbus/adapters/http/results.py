"""What goes out: the JSON answers."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import msgspec
from msgspec.structs import asdict

from maskbus_wire.replies import Attempt, Model, Rle, RouteInfo, TextScore, Timings

T = TypeVar("T", bound=msgspec.Struct)


class Array(msgspec.Struct, kw_only=True, frozen=True):
    """An array, little endian, row by row."""

    shape: list[int]
    """Extent of each axis."""
    dtype: str
    """float32, uint8 or uint16."""
    base64: bytes
    """Its bytes."""


class MaskResult(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One mask. Of the fields from `segmentation` to `logits` those are set whose encoding was asked for."""

    area: int
    """Pixels of the mask."""
    bbox: tuple[int, int, int, int]
    """x, y, width, height."""
    predicted_iou: float
    """The model's own estimate of its overlap with the truth, 0 to 1."""
    stability_score: float
    """How little the mask changes with its threshold, 0 to 1."""
    point_coords: list[tuple[float, float]] = []
    """The points that found it: those of the prompt, or the one of the grid."""
    crop_box: tuple[int, int, int, int] | None = None
    """Without a prompt: x, y, width, height of the part of the image that it was found in."""
    label: str | None = None
    """The text that it answers to."""
    similarity: float | None = None
    """How well it answers to it, -1 to 1."""
    probability: float | None = None
    """How likely it is to be the one that is meant, among all that were looked at."""
    segmentation: list[tuple[float, float]] | None = None
    """With polygon: [[x, y], …], the largest ring; empty for an empty mask."""
    polygons: list[list[tuple[float, float]]] | None = None
    """With polygon: all rings."""
    rle: Rle | None = None
    """COCO compressed RLE."""
    png: bytes | None = None
    """A PNG file, grey, 0 and 255."""
    png_base64: str | None = None
    """The same."""
    bits: bytes | None = None
    """One bit a pixel, most significant first, each row padded to whole bytes."""
    bits_zlib: bytes | None = msgspec.field(default=None, name="bits+zlib")
    """`bits`, compressed as a zlib stream."""
    raw: bytes | None = None
    """One byte a pixel, 0 or 255, row by row."""
    logits: Array | None = None
    """float32 (h, w) at the model's own resolution."""


class WorkResult(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What the answers that come from a model share."""

    success: Literal[True]
    """That there is an answer."""
    model: str
    """The model that answered."""
    width: int
    """Pixels of the image."""
    height: int
    """Pixels of the image."""
    cached: bool
    """Whether the image's embedding was there already: only the prompt was new to the node."""
    timings: Timings
    """Where the time went in the node."""
    tried: list[Attempt]
    """Of a route: the models before this one, and why they have not answered."""
    notes: list[str]
    """What was done otherwise than asked, a sentence each."""
    image_id: str | None = None
    """What the node calls the image, where it keeps it."""
    stamp: int | None = None
    """As the request had it."""
    frame_id: str | None = None
    """As the request had it."""
    stream: str | None = None
    """As the request had it."""
    seq: int | None = None
    """As the request had it."""


class SegmentResult(WorkResult, kw_only=True, frozen=True, omit_defaults=True):
    """The masks."""

    num_masks: int
    """How many."""
    masks: list[MaskResult]
    """One entry a mask."""
    reused: bool
    """Whether the node had this very answer already, and no model has run."""
    scores: list[TextScore] = []
    """Where there was a text: how each has fared."""
    labels: Array | None = None
    """With labels: uint8 or uint16 (H, W), 0 is background, i + 1 is masks[i]."""
    overlay: bytes | None = None
    """With overlay: the image with the masks painted over it, a PNG file."""


class EmbedResult(WorkResult, kw_only=True, frozen=True, omit_defaults=True):
    """The image is kept under `image_id`, and its embedding is there."""

    embedding_bytes: int
    """What the embedding takes."""


class ModelsResult(msgspec.Struct, kw_only=True, frozen=True):
    """What the node offers."""

    success: Literal[True]
    """That there is an answer."""
    models: list[Model]
    """The models."""
    routes: list[RouteInfo] = []
    """The routes."""
    image_encodings: list[str] = []
    """What images may be."""
    limits: dict[str, int] = {}
    """The node's limits."""


class HealthResult(msgspec.Struct, kw_only=True, frozen=True):
    """That the gateway lives, or that a model can answer."""

    success: Literal[True]
    """Always."""
    status: str
    """A word or two."""
    details: dict[str, Any] = {}
    """More of it."""


class Problem(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """That there is no answer, and why."""

    success: bool
    """Always false."""
    error: str
    """One sentence."""
    code: str
    """What kind of problem: an error code of the wire, or one of the gateway's own."""
    path: str = ""
    """The field that is wrong."""
    queue_length: int | None = None
    """With `busy`: how many requests wait."""
    tried: list[Attempt] = []
    """Of a route: its models, and why none has answered."""


def rounded(times: T) -> T:
    """Return the same with its fractions, milliseconds, to a thousandth."""
    found = {name: round(value, 3) for name, value in asdict(times).items() if value and isinstance(value, float)}
    return msgspec.structs.replace(times, **found)
