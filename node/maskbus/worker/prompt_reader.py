"""From the prompt as it stands in a request to the arrays a handler sees."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import Prompt
from maskbus_wire import bits, png, prompts, rle
from maskbus_wire.errors import WireError

Buffer = bytes | bytearray | memoryview

_NO_POINTS = np.zeros((0, 2), np.float32)
_NO_LABELS = np.zeros((0,), np.int8)
_NO_BOXES = np.zeros((0, 4), np.float32)


def read(
    prompt: prompts.Prompt, blobs: Callable[[int], Buffer], height: int, width: int, path: str = "prompt"
) -> Prompt:
    """Return the prompt in arrays.

    Args:
        prompt: The checked prompt; its blobs are all attachments, and so are the counts of an RLE mask.
        blobs: Returns the bytes of an attachment.
        height: Height of the image.
        width: Width of the image.
        path: Where the prompt stands in its request.

    Raises:
        WireError: `invalid_value` where a mask or logits are not what they announce.
    """
    count = len(prompt.points)
    return Prompt(
        points=np.asarray(prompt.points, np.float32) if count else _NO_POINTS,
        labels=np.asarray(prompt.labels or [1] * count, np.int8) if count else _NO_LABELS,
        boxes=np.asarray(prompt.boxes, np.float32) if prompt.boxes else _NO_BOXES,
        mask=None if prompt.mask is None else _mask(prompt.mask, blobs, height, width, f"{path}.mask"),
        logits=None if prompt.logits is None else _logits(prompt.logits, blobs, f"{path}.logits"),
        texts=tuple(prompt.text),
        negative_texts=tuple(prompt.negative_text),
    )


def _mask(
    mask: prompts.MaskPrompt, blobs: Callable[[int], Buffer], height: int, width: int, path: str
) -> npt.NDArray[np.bool_]:
    try:
        data = blobs(mask.attachment or 0)
        if mask.encoding == "rle":
            return rle.decode(bytes(data), height, width)
        if mask.encoding == "bits":
            return bits.unpack(data, height, width)
        if mask.encoding == "bits+zlib":
            return bits.unpack_zlib(data, height, width)
        if mask.encoding == "png":
            return png.decode_mask(data, height, width)
        if len(data) != height * width:
            raise ValueError(f"{len(data)} bytes are not a mask of {width}×{height}, the image's size.")
        return np.frombuffer(data, np.uint8).reshape(height, width).astype(np.bool_)
    except ValueError as error:
        raise WireError("invalid_value", str(error), path) from None


def _logits(logits: prompts.LogitsPrompt, blobs: Callable[[int], Buffer], path: str) -> npt.NDArray[np.float32]:
    data = blobs(logits.attachment or 0)
    height, width = logits.shape
    if len(data) != 4 * height * width:
        raise WireError("invalid_value", f"{len(data)} bytes are not {width}×{height} float32.", path)
    values = np.frombuffer(data, "<f4").reshape(height, width).astype(np.float32)
    if not np.isfinite(values).all():
        raise WireError("invalid_value", "The logits are not all finite.", path)
    return values
