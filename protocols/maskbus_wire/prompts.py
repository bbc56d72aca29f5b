"""Images and prompts as they stand in a request."""

from __future__ import annotations

from typing import Literal

import msgspec


class Blob(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """Bytes that belong to a message. Exactly one of the fields is set."""

    attachment: int | None = None
    """Index of the attachment that is these bytes."""
    data: bytes | None = None
    """The bytes themselves, inline."""
    base64: str | None = None
    """The bytes as Base64 text, plain or as a data-URL."""
    shared: tuple[int, int] | None = None
    """Only in replies to a request with `result`: offset and length of the bytes in that slot."""


class Slot(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """A slot of shared memory that the node has leased to this client."""

    lease: str
    """Name of the lease."""
    index: int
    """Number of the slot; the first is 0."""
    generation: int
    """The slot's generation, as its table entry says."""


class Image(Blob, kw_only=True, omit_defaults=True, frozen=True):
    """A picture: its bytes (as in `Blob`), or a reference to one that the node holds."""

    image_id: str | None = None
    """Reference to an image the node holds. Excludes every other field."""
    slot: Slot | None = None
    """Slot of shared memory the image is in. Excludes every other field: the slot's entry says what it is."""
    encoding: str | None = None
    """`rgb8`, `bgr8`, `mono8`, `rgba8`, `bgra8`, `jpeg`, `png` or `webp`. A data-URL may leave it out."""
    width: int | None = None
    """Pixels. Needed for raw encodings; checked against the file for the others where given."""
    height: int | None = None
    """Pixels. As `width`."""
    step: int | None = None
    """Bytes from one row to the next, raw encodings only; left out: rows are packed."""


class MaskPrompt(Blob, kw_only=True, omit_defaults=True, frozen=True):
    """A mask to refine, of the image's size: its bytes (as in `Blob`), or COCO RLE."""

    encoding: Literal["raw", "bits", "bits+zlib", "png", "rle"]
    """How the mask is written; the meanings are those of the result encodings."""
    counts: str | None = None
    """COCO compressed RLE, for `rle` only and instead of bytes."""


class LogitsPrompt(Blob, kw_only=True, omit_defaults=True, frozen=True):
    """Logits of an earlier answer, to refine: float32, little endian, row by row (bytes as in `Blob`)."""

    shape: tuple[int, int]
    """Height and width of the logits, not of the image."""


class Prompt(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """What the requester points at, in pixels of the image. Empty: everything, or what the model makes of it."""

    points: list[tuple[float, float]] = []
    """x, y of each point."""
    labels: list[Literal[0, 1]] = []
    """1 = object, 0 = background, one a point. Left out: all are 1."""
    boxes: list[tuple[float, float, float, float]] = []
    """x0, y0, x1, y1 of each box, x0 < x1, y0 < y1. Several boxes are several objects; then there are no points."""
    mask: MaskPrompt | None = None
    """A mask to refine."""
    logits: LogitsPrompt | None = None
    """Logits to refine."""
    text: list[str] = []
    """What to look for, in words."""
    negative_text: list[str] = []
    """What not to take for it. Only with `text`."""
