"""The picture as a handler sees it."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]


class Image:
    """Hold one picture and give its pixels in the colour order a model wants.

    `pixels` is uint8 of shape (height, width, 3) in `order` "rgb" or "bgr", or (height, width) with order "mono".
    It may be a read-only view into shared memory that another image will reuse once the job is over: a handler that
    keeps pixels (in an embedding, say) must copy them. Handlers never write to it.
    """

    def __init__(self, pixels: UInt8Array, order: str = "rgb", digest: bytes = b"") -> None:
        self.pixels = pixels
        self.order = order
        self.digest = digest
        """128-bit digest of the pixels and their layout; empty where nobody asked for one."""

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @cached_property
    def rgb(self) -> UInt8Array:
        """Pixels as contiguous RGB, uint8 (height, width, 3); converted at most once."""
        return self._ordered("rgb")

    @cached_property
    def bgr(self) -> UInt8Array:
        """Pixels as contiguous BGR, uint8 (height, width, 3); converted at most once."""
        return self._ordered("bgr")

    def _ordered(self, order: str) -> UInt8Array:
        if self.order == "mono":
            return np.ascontiguousarray(np.broadcast_to(self.pixels[:, :, None], (*self.pixels.shape, 3)))
        if self.order == order:
            return np.ascontiguousarray(self.pixels)
        return np.ascontiguousarray(self.pixels[:, :, ::-1])
