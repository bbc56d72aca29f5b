"""What a body points at, as the prompt of a request."""

from __future__ import annotations

from typing import Literal, cast

from maskbus.adapters.http.bodies import Rows, SegmentBody
from maskbus.adapters.http.problems import Refused
from maskbus_wire import base64_text
from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.prompts import MaskPrompt, Prompt


def prompt_of(body: SegmentBody, mask_attachment: int | None) -> Prompt:
    """Return the prompt of a body; one that points at nothing means everything.

    Args:
        body: The body.
        mask_attachment: Index of the attachment that is the mask, where it came as a file of its own.

    Raises:
        Refused: for rows of a wrong length, or of labels in two places. What else may be wrong with a prompt is found
            out when the request is checked.
    """
    points, labels = _points(body)
    mask = body.mask
    if isinstance(mask, str):
        mask = _as_file(mask)
    if mask_attachment is not None:
        if mask is not None:
            raise Refused("invalid_field", "The mask is there twice.", "mask")
        mask = MaskPrompt(encoding="png", attachment=mask_attachment)
    return Prompt(
        points=points,
        labels=labels,
        boxes=cast("list[tuple[float, float, float, float]]", _rows("boxes", body.boxes, (4,))),
        mask=mask,
        logits=body.logits,
        text=[body.text] if isinstance(body.text, str) else body.text,
        negative_text=[body.negative_text] if isinstance(body.negative_text, str) else body.negative_text,
    )


def _points(body: SegmentBody) -> tuple[list[tuple[float, float]], list[Literal[0, 1]]]:
    rows = _rows("points", body.points, (2, 3))
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


def _as_file(text: str) -> MaskPrompt:
    try:
        return MaskPrompt(encoding="png", data=base64_text.decode(text, max_bytes=DEFAULT_LIMITS.frame_bytes))
    except ValueError as error:
        raise Refused("invalid_field", f"{str(error)[:1].upper()}{str(error)[1:]}.", "mask") from None
