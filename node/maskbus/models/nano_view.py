"""The part of a photo that the small network looks at, squeezed to a square."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class View:
    """A rectangle of whole pixels, inside of the photo."""

    x: int
    y: int
    width: int
    height: int

    def square(self, pixels: UInt8Array, side: int) -> UInt8Array:
        """Return what the network sees, (side, side, 3), of the photo's pixels (H, W, 3)."""
        part = pixels[self.y : self.y + self.height, self.x : self.x + self.width]
        return np.asarray(cv2.resize(part, (side, side), interpolation=self._interpolation(side)), np.uint8)

    def shrunk(self, values: FloatArray, side: int) -> FloatArray:
        """Return (side, side) of the photo's values (H, W), float32."""
        part = values[self.y : self.y + self.height, self.x : self.x + self.width]
        return np.asarray(cv2.resize(part, (side, side), interpolation=self._interpolation(side)), np.float32)

    def enlarged(self, values: FloatArray) -> FloatArray:
        """Return (height, width), float32, of values over this part, (side, side)."""
        return np.asarray(cv2.resize(values, (self.width, self.height), interpolation=cv2.INTER_LINEAR), np.float32)

    def part(self, values: FloatArray, whole: View, side: int) -> FloatArray:
        """Return (side, side) of values over the whole photo that have whatever size, float32."""
        height, width = values.shape
        if (height, width) == (whole.height, whole.width):
            return self.shrunk(values, side)
        columns = ((np.arange(side) + 0.5) * self.width / side + self.x) * width / whole.width - 0.5
        rows = ((np.arange(side) + 0.5) * self.height / side + self.y) * height / whole.height - 0.5
        grid = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
        found = cv2.remap(values, grid[0], grid[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(found, np.float32)

    def places(self, points: FloatArray, side: int) -> FloatArray:
        """Return places of a map (side, side) of pixels of the photo, both (N, 2) x, y; of both 0 is a first middle."""
        scale = np.array([side / self.width, side / self.height], np.float32)
        return np.asarray((points + 0.5 - np.array([self.x, self.y], np.float32)) * scale - 0.5, np.float32)

    def contains(self, other: View) -> bool:
        """Tell whether another is inside of this one."""
        return (
            self.x <= other.x
            and self.y <= other.y
            and other.x + other.width <= self.x + self.width
            and other.y + other.height <= self.y + self.height
        )

    def _interpolation(self, side: int) -> int:
        # Averaging is for what gets smaller; what grows in one direction and shrinks in the other is rarely seen.
        return int(cv2.INTER_AREA if self.width * self.height > side * side else cv2.INTER_LINEAR)


def span(middle: float, extent: float, most: int, step: int = 1) -> tuple[int, int]:
    """Return first pixel and number of pixels, at least one, of one side of a view.

    Args:
        middle: Of the side, in pixels.
        extent: Of the side, at least.
        most: Of the photo: what lies beyond is left out.
        step: Both ends are multiples of it.
    """
    begin = min(max(int(np.floor((middle - extent / 2) / step)) * step, 0), most - 1)
    end = min(max(int(np.ceil((middle + extent / 2) / step)) * step, begin + 1), most)
    return begin, end - begin
