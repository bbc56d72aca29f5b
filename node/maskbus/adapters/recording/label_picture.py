"""A map of labels as a PNG with a palette: numbers for programs, colours on a clear ground for people."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from maskbus_wire import overlay

_LABELS = 255


def label_of(number: int) -> int:
    """Return the label of a mask by its number, 0 and up: 1 to 255, and from 1 again."""
    return 1 + number % _LABELS


def encode(labels: NDArray[np.uint8]) -> bytes:
    """Return labels (H, W) as a PNG of colour type palette: 0 is transparent, the others are half so."""
    from PIL import Image

    image = Image.fromarray(labels)
    image.putpalette(_palette())
    out = io.BytesIO()
    # The fastest level: maps are mostly of one piece, and one is written for each frame.
    image.save(out, "PNG", compress_level=1, transparency=bytes([0]) + bytes([128]) * _LABELS)
    return out.getvalue()


@lru_cache(maxsize=1)
def _palette() -> bytes:
    return bytes(3) + overlay.palette(_LABELS).tobytes()
