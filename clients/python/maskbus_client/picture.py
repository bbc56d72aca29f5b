"""Pictures a caller can look at: what was sent as RGB, and arrays as PNG files. Pillow is imported when used."""

from __future__ import annotations

import io
import os
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskbus_wire.limits import DEFAULT_LIMITS

Picture = Callable[[], "NDArray[np.uint8] | None"]
"""Gives RGB uint8 (H, W, 3), or None where the picture is gone."""


def from_array(array: NDArray[Any], color: str) -> NDArray[np.uint8]:
    """Return an image array as RGB uint8 (H, W, 3).

    Args:
        array: uint8 or bool, (H, W) or (H, W, 1), 3 or 4 channels.
        color: "rgb" or "bgr", what 3 and 4 channels mean; a fourth one is left out.
    """
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    return np.ascontiguousarray(array[:, :, 2::-1] if color == "bgr" else array[:, :, :3])


def from_file(data: bytes) -> NDArray[np.uint8]:
    """Return a JPEG, PNG or WebP file as upright RGB uint8 (H, W, 3). ValueError if it cannot be decoded."""
    from maskbus_wire import compressed_image

    return compressed_image.decode_pil(data, max_pixels=DEFAULT_LIMITS.pixels)


def from_path(path: str) -> NDArray[np.uint8]:
    """Return the file at `path` as `from_file` does. OSError if it cannot be read."""
    with open(path, "rb") as file:
        return from_file(file.read())


def from_pil(image: Any) -> NDArray[np.uint8]:
    """Return a PIL image as RGB uint8 (H, W, 3)."""
    return np.array(image.convert("RGB"))


def weakly(thing: Any, convert: Callable[[Any], NDArray[np.uint8] | None]) -> Picture:
    """Return a picture of something that may go away: a result does not keep what was sent alive."""
    reference = weakref.ref(thing)

    def show() -> NDArray[np.uint8] | None:
        held = reference()
        return None if held is None else convert(held)

    return show


def write_png(path: str | os.PathLike[str], array: NDArray[Any]) -> None:
    """Write uint8 (H, W) or (H, W, 3), or bool (H, W) as 0 and 255, as a PNG file."""
    data = to_png(array)
    with open(path, "wb") as file:
        file.write(data)


def to_png(array: NDArray[Any]) -> bytes:
    """Return uint8 (H, W) or RGB (H, W, 3), or bool (H, W) as 0 and 255, as the bytes of a PNG file."""
    from PIL import Image

    pixels = array.astype(np.uint8) * np.uint8(255) if array.dtype == np.bool_ else array
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "png", compress_level=1)
    return buffer.getvalue()
