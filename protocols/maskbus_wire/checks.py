"""What the types cannot say: limits, ranges, and fields that must agree with one another."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from maskbus_wire import everything_checks
from maskbus_wire.errors import WireError
from maskbus_wire.limits import Limits
from maskbus_wire.prompts import Blob, Image, LogitsPrompt, MaskPrompt, Prompt, Slot
from maskbus_wire.raw_image import CHANNELS
from maskbus_wire.requests import AnyRequest, Cancel, Everything, Lease, MaskWork, Release, Return, Segment, Work
from maskbus_wire.shared_layout import MOST_SLOTS

COMPRESSED = ("jpeg", "png", "webp")
"""Image encodings that are files."""
_NOTHING = Prompt()
IMAGE_ENCODINGS = (*CHANNELS, *COMPRESSED)
"""Every encoding an image may come in."""


def check_request(request: AnyRequest, attachments: int, limits: Limits) -> None:
    """Check all that can be known of a request without looking at its image.

    Args:
        request: The typed request.
        attachments: How many attachments came with it.
        limits: The receiver's caps.

    Raises:
        WireError: with the path of the first field that is wrong.
    """
    _name(request.id, "id", limits)
    if isinstance(request, Release):
        _name(request.image_id, "image_id", limits)
    elif isinstance(request, Lease):
        _lease(request, limits)
    elif isinstance(request, Return):
        _name(request.lease, "lease", limits)
    elif isinstance(request, Cancel):
        _name(request.target, "target", limits)
        if not request.target:
            raise WireError("invalid_value", "Name the request to cancel by its id.", "target")
    elif isinstance(request, Work):
        _work(request, attachments, limits)


def check_inside(prompt: Prompt, width: int, height: int) -> None:
    """Check that all points and boxes lie in an image of `width` × `height` pixels.

    Raises:
        WireError: `invalid_value` with the path of the first that does not.
    """
    for i, (x, y) in enumerate(prompt.points):
        if not (0 <= x < width and 0 <= y < height):
            raise WireError(
                "invalid_value",
                f"The point ({x:g}, {y:g}) is outside the image of {width}×{height}.",
                f"prompt.points[{i}]",
            )
    for i, (x0, y0, x1, y1) in enumerate(prompt.boxes):
        if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
            raise WireError(
                "invalid_value",
                f"The box ({x0:g}, {y0:g}, {x1:g}, {y1:g}) reaches outside the image of {width}×{height}.",
                f"prompt.boxes[{i}]",
            )


def check_image(image: Image, attachments: int, limits: Limits, path: str = "image") -> None:
    """Check all that can be known of an image without looking at its bytes.

    Args:
        image: The image.
        attachments: How many attachments there are.
        limits: The receiver's caps.
        path: Where the image stands in its message.

    Raises:
        WireError: with the path of the first field that is wrong.
    """
    if image.image_id is not None:
        _name(image.image_id, f"{path}.image_id", limits)
        _alone(image, "image_id")
        return
    if image.slot is not None:
        _slot(image.slot, f"{path}.slot", limits)
        _alone(image, "slot")
        return
    _blob(image, attachments, path)
    if image.encoding is None:
        if image.base64 is None or image.base64[:5].lower() != "data:":
            raise WireError("invalid_field", "The field is missing.", f"{path}.encoding")
    elif image.encoding not in IMAGE_ENCODINGS:
        raise WireError(
            "unknown_encoding",
            f"There is no image encoding {image.encoding[:64]!r}; there are {', '.join(IMAGE_ENCODINGS)}.",
            f"{path}.encoding",
        )
    for field, value in (("width", image.width), ("height", image.height)):
        if value is None:
            if image.encoding in CHANNELS:
                raise WireError("invalid_field", "A raw image needs it.", f"{path}.{field}")
        elif not 1 <= value <= limits.side:
            raise WireError("invalid_value", f"A side has 1 to {limits.side} pixels.", f"{path}.{field}")
    if image.width and image.height and image.width * image.height > limits.pixels:
        raise WireError("too_large", f"The image has more than {limits.pixels} pixels.", path)
    if image.step is not None:
        if image.encoding not in CHANNELS:
            raise WireError("invalid_field", "Only raw images have a step.", f"{path}.step")
        least = (image.width or 0) * CHANNELS[image.encoding]
        if not least <= image.step <= limits.frame_bytes:
            raise WireError("invalid_value", f"A row has {least} bytes; step is {image.step}.", f"{path}.step")


def blob_bytes(blob: Blob, attachments: Sequence[bytes | memoryview], limits: Limits, path: str) -> bytes | memoryview:
    """Return the bytes a checked blob stands for; an attachment or inline data without a copy.

    Raises:
        WireError: `invalid_field` if Base64 text is none, `too_large` if it is over the limit, and for a blob that was
            not checked (a reply's, say) as `check_request` would.
    """
    _blob(blob, len(attachments), path)
    if blob.attachment is not None:
        return attachments[blob.attachment]
    if blob.data is not None:
        return blob.data
    from maskbus_wire import base64_text

    try:
        return base64_text.decode(blob.base64 or "", max_bytes=limits.frame_bytes)
    except ValueError as error:
        raise WireError("invalid_field", str(error), f"{path}.base64") from None


def _name(value: str | None, path: str, limits: Limits) -> None:
    if value is not None and len(value) > limits.name_chars:
        raise WireError("too_large", f"The text has more than {limits.name_chars} characters.", path)


def _work(request: Work, attachments: int, limits: Limits) -> None:
    _name(request.model, "model", limits)
    _name(request.frame_id, "frame_id", limits)
    _name(request.stream, "stream", limits)
    for field, value in (("stamp", request.stamp), ("seq", request.seq)):
        if value is not None and not -(2**63) <= value < 2**63:
            raise WireError("invalid_value", "The number does not fit 64 bits.", field)
    if request.deadline_ms is not None and not 0 < request.deadline_ms <= limits.deadline_ms:
        raise WireError("invalid_value", f"A deadline lies between 1 and {limits.deadline_ms} ms.", "deadline_ms")
    check_image(request.image, attachments, limits)
    if isinstance(request, MaskWork):
        _mask_work(request, limits)
    if isinstance(request, Segment):
        _segment(request, attachments, limits)
    elif isinstance(request, Everything):
        everything_checks.check(request, limits)


def _mask_work(request: MaskWork, limits: Limits) -> None:
    if request.publish is not None:
        _name(request.publish, "publish", limits)
        if not request.publish or ":" in request.publish:
            raise WireError("invalid_value", 'A topic has at least one character and no ":".', "publish")
    if len(set(request.encodings)) != len(request.encodings):
        raise WireError("invalid_value", "An encoding is named twice.", "encodings")


def _segment(request: Segment, attachments: int, limits: Limits) -> None:
    if request.result is not None:
        _slot(request.result, "result", limits)
        if request.inline:
            raise WireError("invalid_value", "Bytes stand in the header or in a slot, not in both.", "result")
    prompt = request.prompt
    if prompt == _NOTHING:
        return
    _counts(prompt, limits)
    for i, point in enumerate(prompt.points):
        if not all(map(isfinite, point)):
            raise WireError("invalid_value", "A coordinate is not finite.", f"prompt.points[{i}]")
    for i, box in enumerate(prompt.boxes):
        if not all(map(isfinite, box)):
            raise WireError("invalid_value", "A coordinate is not finite.", f"prompt.boxes[{i}]")
        if not (box[0] < box[2] and box[1] < box[3]):
            raise WireError("invalid_value", "A box is x0, y0, x1, y1 with x0 < x1 and y0 < y1.", f"prompt.boxes[{i}]")
    if prompt.labels and len(prompt.labels) != len(prompt.points):
        raise WireError(
            "invalid_value", f"{len(prompt.labels)} labels for {len(prompt.points)} points.", "prompt.labels"
        )
    if len(prompt.boxes) > 1 and prompt.points:
        raise WireError(
            "invalid_value", "Points go with one box at most; several boxes are several objects.", "prompt.points"
        )
    if prompt.negative_text and not prompt.text:
        raise WireError("invalid_value", "Negative texts go with texts.", "prompt.negative_text")
    if prompt.mask is not None:
        _mask(prompt.mask, attachments)
    if prompt.logits is not None:
        _logits(prompt.logits, attachments, limits)


def _counts(prompt: Prompt, limits: Limits) -> None:
    for path, count, most in (
        ("prompt.points", len(prompt.points), limits.points),
        ("prompt.boxes", len(prompt.boxes), limits.boxes),
        ("prompt.text", len(prompt.text), limits.texts),
        ("prompt.negative_text", len(prompt.negative_text), limits.texts),
    ):
        if count > most:
            raise WireError("too_large", f"{count} entries; the limit is {most}.", path)
    for path, texts in (("prompt.text", prompt.text), ("prompt.negative_text", prompt.negative_text)):
        for i, text in enumerate(texts):
            if len(text) > limits.text_chars:
                raise WireError("too_large", f"The text has more than {limits.text_chars} characters.", f"{path}[{i}]")
            if not text.strip():
                raise WireError("invalid_value", "The text is empty.", f"{path}[{i}]")


def _lease(request: Lease, limits: Limits) -> None:
    if not 1 <= request.slots <= MOST_SLOTS:
        raise WireError("invalid_value", f"A lease has 1 to {MOST_SLOTS} slots.", "slots")
    if request.slot_bytes < 1:
        raise WireError("invalid_value", "A slot has at least one byte.", "slot_bytes")
    if request.slot_bytes > limits.frame_bytes:
        raise WireError("too_large", f"A slot has at most {limits.frame_bytes} bytes, as a frame.", "slot_bytes")


def _slot(slot: Slot, path: str, limits: Limits) -> None:
    _name(slot.lease, f"{path}.lease", limits)
    if not 0 <= slot.index < MOST_SLOTS:
        raise WireError("invalid_value", f"Slots are numbered from 0 to {MOST_SLOTS - 1}.", f"{path}.index")
    if not 0 <= slot.generation < 2**63:
        raise WireError("invalid_value", "A generation is not negative, and below 2^63.", f"{path}.generation")


def _blob(blob: Blob, attachments: int, path: str) -> None:
    if blob.shared is not None:
        raise WireError("invalid_field", "Only replies have bytes in a slot.", f"{path}.shared")
    if (blob.attachment is not None) + (blob.data is not None) + (blob.base64 is not None) != 1:
        given = [name for name in ("attachment", "data", "base64") if getattr(blob, name) is not None]
        found = "none is there" if not given else f"{' and '.join(given)} are there"
        raise WireError("invalid_field", f"Exactly one of attachment, data and base64 is needed; {found}.", path)
    index = blob.attachment
    if index is not None and not 0 <= index < attachments:
        raise WireError(
            "invalid_value", f"There is no attachment {index}; the message has {attachments}.", f"{path}.attachment"
        )


def _alone(image: Image, name: str) -> None:
    for field in image.__struct_fields__:
        if field != name and getattr(image, field) is not None:
            article = "An" if name == "image_id" else "A"
            raise WireError("invalid_field", f"{article} {name} stands alone.", f"image.{field}")


def _mask(mask: MaskPrompt, attachments: int) -> None:
    if mask.encoding != "rle":
        if mask.counts is not None:
            raise WireError("invalid_field", "Only rle has counts.", "prompt.mask.counts")
        _blob(mask, attachments, "prompt.mask")
    elif mask.counts is None:
        raise WireError("invalid_field", "The field is missing.", "prompt.mask.counts")
    elif any(value is not None for value in (mask.attachment, mask.data, mask.base64, mask.shared)):
        raise WireError("invalid_field", "rle has counts and nothing else.", "prompt.mask")


def _logits(logits: LogitsPrompt, attachments: int, limits: Limits) -> None:
    _blob(logits, attachments, "prompt.logits")
    height, width = logits.shape
    if not (1 <= height <= 4096 and 1 <= width <= 4096):
        raise WireError("invalid_value", "A side of logits is 1 to 4096.", "prompt.logits.shape")
