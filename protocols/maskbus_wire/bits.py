"""Masks as packed bits, plain or deflated: the fastest encoding, and one that needs no picture library to read.

Each row takes ceil(W / 8) bytes; the leftmost pixel is the highest bit of a row's first byte; the bits past the last
pixel are 0. The deflated form is one zlib stream of the same bytes.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from maskbus_wire.geometry import require_mask, require_sides


def packed_size(height: int, width: int) -> int:
    """Return the number of bytes that a mask takes when its bits are packed."""
    return height * ((width + 7) // 8)


def pack(mask: NDArray[np.bool_]) -> bytes:
    """Return the packed bits of a bool mask (H, W). ValueError if it is anything else."""
    return np.packbits(require_mask(mask), axis=1).tobytes()


def unpack(buffer: bytes | bytearray | memoryview, height: int, width: int) -> NDArray[np.bool_]:
    """Return the bool mask (height, width) of packed bits. ValueError unless the buffer has exactly the right size.

    The padding bits at the end of a row are not looked at.
    """
    require_sides(height, width)
    expected = packed_size(height, width)
    found = memoryview(buffer).nbytes
    if found != expected:
        raise ValueError(f"a packed mask of {height} x {width} pixels takes {expected} bytes, not {found}")
    rows = np.frombuffer(buffer, np.uint8).reshape(height, -1)
    return np.unpackbits(rows, axis=1, count=width).view(np.bool_)


def pack_zlib(mask: NDArray[np.bool_]) -> bytes:
    """Return the packed bits of a bool mask (H, W) as a zlib stream (level 1). ValueError if it is anything else."""
    return zlib.compress(pack(mask), 1)


def unpack_zlib(buffer: bytes | bytearray | memoryview, height: int, width: int) -> NDArray[np.bool_]:
    """Return the bool mask (height, width) of deflated packed bits.

    ValueError for a broken stream, one that holds fewer or more bytes than the mask takes, or bytes after its end. No
    more than the expected size (and one byte, to notice more) is ever inflated.
    """
    require_sides(height, width)
    expected = packed_size(height, width)
    stream = zlib.decompressobj()
    try:
        # zlib reports the end of a stream only once it is asked for more than it holds.
        data = stream.decompress(buffer, expected + 1)
    except zlib.error as error:
        raise ValueError(f"the deflated mask is broken: {error}") from None
    if len(data) > expected:
        raise ValueError(f"the deflated mask holds more than the {expected} bytes of {height} x {width} pixels")
    if not stream.eof:
        raise ValueError("the deflated mask stops before its end")
    if stream.unused_data:
        raise ValueError("bytes follow the end of the deflated mask")
    return unpack(data, height, width)
