"""What a body points at, as the prompt of a request."""

from __future__ import annotations

from typing import Literal, cast

from maskbus.adapters.http.bodies import MaskInput, Rows, SegmentBody
from maskbus.adapters.http.problems import Refused
from maskbus_wire import base64_text
from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.prompts import MaskPrompt, Prompt


def prompt_of(body: SegmentBody, mask_attachment: int | None, size: tuple[int, int] | None = None) -> Prompt:
    """Return the prompt of a body; one that points at nothing means everything.

    Args:
        body: The body.
        mask_attachment: Index of the attachment that is the mask, where it came as a file of its own.
        size: Height and width of the image, where they are known here.

    Raises:
        Refused: for lists that are there and empty, rows of a wrong length, or labels in two places. What else may be
            wrong with a prompt is found out when the request is checked.
    """
    for name, value in (("points", body.points), ("boxes", body.boxes), ("text", body.text)):
        if value is not None and not value:  # nothing may well be a slip of who asks, and everything is dear
            raise Refused("invalid_value", "The list is empty: fill it, or leave the field out.", name)
    points, labels = _points(body)
    mask = _as_file(body.mask) if isinstance(body.mask, str) else _mask(body.mask, size)
    if mask_attachment is not None:
        if mask is not None:
            raise Refused("invalid_field", "The mask is there twice.", "mask")
        mask = MaskPrompt(encoding="png", attachment=mask_attachment)
    return Prompt(
        points=points,
        labels=labels,
        boxes=cast("list[tuple[float, float, float, float]]", _rows("boxes", body.boxes or [], (4,))),
        mask=mask,
        logits=body.logits,
        text=[body.text] if isinstance(body.text, str) else body.text or [],
        negative_text=[body.negative_text] if isinstance(body.negative_text, str) else body.negative_text,
    )


def _points(body: SegmentBody) -> tuple[list[tuple[float, float]], list[Literal[0, 1]]]:
    rows = _rows("points", body.points or [], (2, 3))
    labels: list[Literal[0, 1]] = [_label(label, f"labels[{i}]") for i, label in enumerate(body.labels)]
    longer = [row for row in rows if len(row) == 3]
    if longer and len(longer) != len(rows):
        raise Refused("invalid_field", "Some points say whether they are positive, and some do not.", "points")
    if longer:
        if labels:
            raise Refused("invalid_field", "The points say themselves whether they are positive.", "labels")
        labels = [_label(row[2], f"points[{i}][2]") for i, row in enumerate(rows)]
    return [(row[0], row[1]) for row in rows], labels


def _label(value: float, path: str) -> Literal[0, 1]:
    if value not in (0, 1):
        raise Refused("invalid_value", "A label is 1 (object) or 0 (background), or true or false.", path)
    return 1 if value else 0


def _rows(name: str, rows: Rows, columns: tuple[int, ...]) -> list[tuple[float, ...]]:
    found: list[list[float | bool]] = [row for row in rows if isinstance(row, list)]
    if len(found) != len(rows):
        if found:
            raise Refused("invalid_field", "Some entries are rows of numbers, and some are numbers.", name)
        found = [[number for number in rows if not isinstance(number, list)]]
    wanted = " or ".join(map(str, columns))
    for i, row in enumerate(found):
        if len(row) not in columns:
            raise Refused("invalid_field", f"A row has {wanted} numbers, not {len(row)}.", f"{name}[{i}]")
        if any(isinstance(number, bool) for number in row[:2]) or (name == "boxes" and bool in map(type, row)):
            raise Refused("invalid_field", "A coordinate is a number.", f"{name}[{i}]")
    return [tuple(map(float, row)) for row in found]


def _mask(mask: MaskInput | None, size: tuple[int, int] | None) -> MaskPrompt | None:
    if mask is None:
        return None
    if mask.size is not None:
        if mask.counts is None:
            raise Refused("invalid_field", "Only rle has a size.", "mask.size")
        if size is not None and mask.size != size:
            height, width = size
            raise Refused("invalid_value", f"The image has {height} rows of {width} pixels.", "mask.size")
    encoding = mask.encoding or ("png" if mask.counts is None else "rle")
    if encoding == "png" and mask.counts is None and mask.base64 is not None:
        return _as_file(mask.base64)
    return MaskPrompt(encoding=encoding, counts=mask.counts, base64=mask.base64)


def _as_file(text: str) -> MaskPrompt:
    try:
        return MaskPrompt(encoding="png", data=base64_text.decode(text, max_bytes=DEFAULT_LIMITS.frame_bytes))
    except ValueError as error:
        raise Refused("invalid_field", f"{str(error)[:1].upper()}{str(error)[1:]}.", "mask") from None
