"""Fields that many messages have: names, numbers, bytes, slots, and images."""

from __future__ import annotations

from collections.abc import Sequence

from maskbus_wire.errors import WireError
from maskbus_wire.limits import Limits
from maskbus_wire.prompts import Blob, Image, Slot
from maskbus_wire.raw_image import CHANNELS
from maskbus_wire.shared_layout import MOST_SLOTS

COMPRESSED = ("jpeg", "png", "webp")
"""Image encodings that are files."""
IMAGE_ENCODINGS = (*CHANNELS, *COMPRESSED)
"""Every encoding an image may come in."""


def check_name(value: str | None, path: str, limits: Limits) -> None:
    """Check the length of a name. WireError with its path."""
    if value is not None and len(value) > limits.name_chars:
        raise WireError("too_large", f"The text has more than {limits.name_chars} characters.", path)


def check_int64(value: int | None, path: str) -> None:
    """Check that a number that goes through untouched fits 64 bits. WireError with its path."""
    if value is not None and not -(2**63) <= value < 2**63:
        raise WireError("invalid_value", "The number does not fit 64 bits.", path)


def check_encodings(encodings: Sequence[str]) -> None:
    """Check that no encoding of a result is named twice. WireError."""
    if len(set(encodings)) != len(encodings):
        raise WireError("invalid_value", "An encoding is named twice.", "encodings")


def check_slot(slot: Slot, path: str, limits: Limits) -> None:
    """Check the numbers of a slot. WireError with its path."""
    check_name(slot.lease, f"{path}.lease", limits)
    if not 0 <= slot.index < MOST_SLOTS:
        raise WireError("invalid_value", f"Slots are numbered from 0 to {MOST_SLOTS - 1}.", f"{path}.index")
    if not 0 <= slot.generation < 2**63:
        raise WireError("invalid_value", "A generation is not negative, and below 2^63.", f"{path}.generation")


def check_blob(blob: Blob, attachments: int, path: str) -> None:
    """Check that a blob of a request names its bytes once. WireError with its path."""
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
        check_name(image.image_id, f"{path}.image_id", limits)
        _alone(image, "image_id", path)
        return
    if image.slot is not None:
        check_slot(image.slot, f"{path}.slot", limits)
        _alone(image, "slot", path)
        return
    check_blob(image, attachments, path)
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
    check_blob(blob, len(attachments), path)
    if blob.attachment is not None:
        return attachments[blob.attachment]
    if blob.data is not None:
        return blob.data
    from maskbus_wire import base64_text

    try:
        return base64_text.decode(blob.base64 or "", max_bytes=limits.frame_bytes)
    except ValueError as error:
        raise WireError("invalid_field", str(error), f"{path}.base64") from None


def _alone(image: Image, name: str, path: str) -> None:
    for field in image.__struct_fields__:
        if field != name and getattr(image, field) is not None:
            article = "An" if name == "image_id" else "A"
            raise WireError("invalid_field", f"{article} {name} stands alone.", f"{path}.{field}")
