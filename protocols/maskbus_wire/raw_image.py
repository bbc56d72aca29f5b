"""Raw pixels under the names that ROS gives them, viewed and sent without copying.

An image is rows of packed pixels, one byte a channel; `step` is the distance from one row to the next in bytes and may
be longer than a row; the last row need not be padded.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

CHANNELS: dict[str, int] = {"rgb8": 3, "bgr8": 3, "mono8": 1, "rgba8": 4, "bgra8": 4}
"""Bytes a pixel of each encoding."""

# Rows padded by less than this (the longest alignment that cameras and graphics cards use) are sent as they lie. A
# longer gap is the rest of a larger picture, of which a crop was taken: that is not sent along.
_LONGEST_PADDING = 256


class RawImage(NamedTuple):
    """An image ready to be sent: flat bytes and the fields that describe them."""

    data: memoryview
    width: int
    height: int
    step: int
    encoding: str


def required_bytes(width: int, height: int, step: int, encoding: str) -> int:
    """Return how many bytes such an image takes: step * (height - 1) + width * channels; step 0 means no padding.

    ValueError for an unknown encoding, a side below 1 or a step shorter than a row.
    """
    step = _row_step(width, height, step, encoding)
    return step * (height - 1) + width * CHANNELS[encoding]


def view(
    buffer: bytes | bytearray | memoryview, width: int, height: int, step: int, encoding: str
) -> NDArray[np.uint8]:
    """Return the buffer's pixels as uint8 (H, W, C), or (H, W) for mono8, without copying.

    The array is writable only if the buffer is. ValueError as in `required_bytes` or if the buffer is too short; bytes
    past the last pixel are ignored.
    """
    needed = required_bytes(width, height, step, encoding)
    found = memoryview(buffer).nbytes
    if found < needed:
        raise ValueError(f"a {encoding} image of {width} x {height} pixels takes {needed} bytes, not {found}")
    step = _row_step(width, height, step, encoding)
    channels = CHANNELS[encoding]
    shape, strides = ((height, width), (step, 1)) if channels == 1 else ((height, width, channels), (step, channels, 1))
    pixels: NDArray[np.uint8] = np.ndarray(shape, np.uint8, buffer, strides=strides)
    return pixels


def from_array(array: NDArray[Any], order: Literal["rgb", "bgr"]) -> RawImage:
    """Return any uint8 or bool picture as an image to send; `order` says what 3 or 4 channels mean.

    Shapes: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), any strides. Pixels that lie packed in rows from top to bottom
    are not copied, not even when the rows are padded: the memory must then stay unchanged until the image is sent.
    Bool becomes mono8 0 and 255. TypeError for another dtype, ValueError for another shape or order.
    """
    if order not in ("rgb", "bgr"):
        raise ValueError(f"the channel order is 'rgb' or 'bgr', not {order!r}")
    if not isinstance(array, np.ndarray):
        raise TypeError(f"an image must be a numpy array, not {type(array).__name__}")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    if array.dtype != np.uint8:
        raise TypeError(f"an image must be uint8, not {array.dtype}: {_advice(array.dtype)}")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ValueError(f"an image must have the shape (H, W) or (H, W, 1 or 3 or 4), not {array.shape}")
    if array.size == 0:
        raise ValueError(f"an image of shape {array.shape} has no pixels")
    encoding = "mono8" if array.ndim == 2 else order + ("8" if array.shape[2] == 3 else "a8")
    height, width = array.shape[:2]
    row = width * CHANNELS[encoding]
    if not _lies_in_rows(array, row):
        array = np.ascontiguousarray(array)
    # The stride of a single row is anything: numpy does not keep it.
    step = array.strides[0] if height > 1 else row
    flat = np.lib.stride_tricks.as_strided(array, (step * (height - 1) + row,), (1,), writeable=False)
    return RawImage(flat.data, width, height, step, encoding)


def _row_step(width: int, height: int, step: int, encoding: str) -> int:
    if encoding not in CHANNELS:
        raise ValueError(f"the encoding {encoding!r} is not one of {', '.join(CHANNELS)}")
    if width < 1 or height < 1:
        raise ValueError(f"an image of {width} x {height} pixels has no pixels")
    row = width * CHANNELS[encoding]
    if step == 0:
        return row
    if step < row:
        raise ValueError(f"a step of {step} bytes is shorter than a row of {width} {encoding} pixels ({row} bytes)")
    return step


def _lies_in_rows(array: NDArray[np.uint8], row: int) -> bool:
    height, width = array.shape[:2]
    pixel = row // width
    packed = (width == 1 or array.strides[1] == pixel) and (array.ndim == 2 or array.strides[2] == 1)
    return packed and (height == 1 or row <= array.strides[0] < row + _LONGEST_PADDING)


def _advice(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "f":
        return "for values from 0 to 1 send (image * 255).round().astype(np.uint8)"
    if dtype == np.uint16:
        return "for the full 16-bit range send (image >> 8).astype(np.uint8)"
    return "scale it to 0 … 255 and send image.astype(np.uint8)"
