"""What the types cannot say of a prompt."""

from __future__ import annotations

from math import isfinite

from maskbus_wire.errors import WireError
from maskbus_wire.image_checks import check_blob
from maskbus_wire.limits import Limits
from maskbus_wire.prompts import LogitsPrompt, MaskPrompt, Prompt

_NOTHING = Prompt()


def check_prompt(prompt: Prompt, attachments: int, limits: Limits, path: str = "prompt") -> None:
    """Check all that can be known of a prompt without looking at its bytes, or at the image.

    Args:
        prompt: The prompt.
        attachments: How many attachments there are.
        limits: The receiver's caps.
        path: Where the prompt stands in its message.

    Raises:
        WireError: with the path of the first field that is wrong.
    """
    if prompt == _NOTHING:
        return
    _counts(prompt, limits, path)
    for i, point in enumerate(prompt.points):
        if not all(map(isfinite, point)):
            raise WireError("invalid_value", "A coordinate is not finite.", f"{path}.points[{i}]")
    for i, box in enumerate(prompt.boxes):
        if not all(map(isfinite, box)):
            raise WireError("invalid_value", "A coordinate is not finite.", f"{path}.boxes[{i}]")
        if not (box[0] < box[2] and box[1] < box[3]):
            raise WireError("invalid_value", "A box is x0, y0, x1, y1 with x0 < x1 and y0 < y1.", f"{path}.boxes[{i}]")
    if prompt.labels and len(prompt.labels) != len(prompt.points):
        raise WireError(
            "invalid_value", f"{len(prompt.labels)} labels for {len(prompt.points)} points.", f"{path}.labels"
        )
    if len(prompt.boxes) > 1 and prompt.points:
        raise WireError(
            "invalid_value", "Points go with one box at most; several boxes are several objects.", f"{path}.points"
        )
    if prompt.negative_text and not prompt.text:
        raise WireError("invalid_value", "Negative texts go with texts.", f"{path}.negative_text")
    if prompt.mask is not None:
        _mask(prompt.mask, attachments, f"{path}.mask")
    if prompt.logits is not None:
        _logits(prompt.logits, attachments, limits, f"{path}.logits")


def check_inside(prompt: Prompt, width: int, height: int, path: str = "prompt") -> None:
    """Check that all points and boxes lie in an image of `width` × `height` pixels.

    Raises:
        WireError: `invalid_value` with the path of the first that does not.
    """
    for i, (x, y) in enumerate(prompt.points):
        if not (0 <= x < width and 0 <= y < height):
            raise WireError(
                "invalid_value",
                f"The point ({x:g}, {y:g}) is outside the image of {width}×{height}.",
                f"{path}.points[{i}]",
            )
    for i, (x0, y0, x1, y1) in enumerate(prompt.boxes):
        if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
            raise WireError(
                "invalid_value",
                f"The box ({x0:g}, {y0:g}, {x1:g}, {y1:g}) reaches outside the image of {width}×{height}.",
                f"{path}.boxes[{i}]",
            )


def _counts(prompt: Prompt, limits: Limits, path: str) -> None:
    for where, count, most in (
        (f"{path}.points", len(prompt.points), limits.points),
        (f"{path}.boxes", len(prompt.boxes), limits.boxes),
        (f"{path}.text", len(prompt.text), limits.texts),
        (f"{path}.negative_text", len(prompt.negative_text), limits.texts),
    ):
        if count > most:
            raise WireError("too_large", f"{count} entries; the limit is {most}.", where)
    for where, texts in ((f"{path}.text", prompt.text), (f"{path}.negative_text", prompt.negative_text)):
        for i, text in enumerate(texts):
            if len(text) > limits.text_chars:
                raise WireError("too_large", f"The text has more than {limits.text_chars} characters.", f"{where}[{i}]")
            if not text.strip():
                raise WireError("invalid_value", "The text is empty.", f"{where}[{i}]")


def _mask(mask: MaskPrompt, attachments: int, path: str) -> None:
    if mask.encoding != "rle":
        if mask.counts is not None:
            raise WireError("invalid_field", "Only rle has counts.", f"{path}.counts")
        check_blob(mask, attachments, path)
    elif mask.counts is None:
        raise WireError("invalid_field", "The field is missing.", f"{path}.counts")
    elif any(value is not None for value in (mask.attachment, mask.data, mask.base64, mask.shared)):
        raise WireError("invalid_field", "rle has counts and nothing else.", path)


def _logits(logits: LogitsPrompt, attachments: int, limits: Limits, path: str) -> None:
    check_blob(logits, attachments, path)
    height, width = logits.shape
    if not (1 <= height <= 4096 and 1 <= width <= 4096):
        raise WireError("invalid_value", "A side of logits is 1 to 4096.", f"{path}.shape")
