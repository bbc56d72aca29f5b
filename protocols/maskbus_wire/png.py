"""Masks as PNG files: one channel, object 255, background 0.

Written with 1 bit a pixel by OpenCV (the node's side); read with Pillow alone (the client's side), which takes any
one-channel PNG: every value other than 0 is object.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskbus_wire.geometry import require_mask, require_sides

_MAGIC = b"\x89PNG\r\n\x1a\n"
# Magic, then the first chunk: length 13, "IHDR", width, height, bit depth, colour type, ….
_HEADER = struct.Struct(">8sI4sIIBB")
# Every PNG ends with this chunk: empty, its checksum always the same.
_END = b"\0\0\0\0IEND\xae\x42\x60\x82"
_GREY = 0


def encode_mask(mask: NDArray[np.bool_]) -> bytes:
    """Return a bool mask (H, W) as a 1-bit PNG. ValueError for anything else or a mask without pixels; needs OpenCV."""
    import cv2

    mask = require_mask(mask)
    require_sides(*mask.shape)
    # The bilevel writer takes any value other than 0 for white, so that the bools need no scaling.
    pixels = np.ascontiguousarray(mask).view(np.uint8)
    done, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise ValueError(f"a mask of {mask.shape[0]} x {mask.shape[1]} pixels could not be written as PNG")
    return data.tobytes()


def decode_mask(data: bytes | bytearray | memoryview, height: int, width: int) -> NDArray[np.bool_]:
    """Return the bool mask (height, width) of a grey PNG of 1, 2, 4, 8 or 16 bits.

    ValueError if it is no such PNG, is broken or cut short, or has another size. The size is read from the file's first
    33 bytes before Pillow sees it, so that a small file cannot ask for a large picture.
    """
    require_sides(height, width)
    view = memoryview(data)
    if view.nbytes < _HEADER.size:
        raise ValueError(f"{view.nbytes} bytes are too few for a PNG file")
    magic, length, kind, found_width, found_height, _, colour = _HEADER.unpack_from(view)
    if magic != _MAGIC or length != 13 or kind != b"IHDR":
        raise ValueError("the mask is not a PNG file")
    if (found_height, found_width) != (height, width):
        raise ValueError(f"the PNG has {found_height} x {found_width} pixels where {height} x {width} were expected")
    if colour != _GREY:
        raise ValueError("a mask must be a grey PNG: one channel, no alpha")
    if view[-len(_END) :] != _END:
        raise ValueError("the PNG is cut short, or something follows its end")
    pixels = _load(view)
    if pixels.shape != (height, width):
        raise ValueError("the PNG's pixels do not have the size that its header announces")
    # Pillow writes the True of a one-bit picture as 255; numpy means 1, in sums and views.
    mask: NDArray[np.bool_] = np.not_equal(pixels.view(np.uint8) if pixels.dtype == np.bool_ else pixels, 0)
    return mask


def _load(view: memoryview) -> NDArray[Any]:
    from PIL import PngImagePlugin

    try:
        # The class and not Image.open: that one warns about large pictures, and here the caller has named the size.
        with PngImagePlugin.PngImageFile(io.BytesIO(view)) as image:
            image.load()
            return np.array(image)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's readers raise whatever a hostile file provokes, not only OSError
        raise ValueError(f"the PNG is broken: {error}") from None
