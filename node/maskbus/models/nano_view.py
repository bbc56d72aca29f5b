"""The part of a photo that the small network looks at, squeezed to a square."""

from __future__ import annotations

from dataclasses import dataclass

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
        import cv2

        part = pixels[self.y : self.y + self.height, self.x : self.x + self.width]
        return np.asarray(cv2.resize(part, (side, side), interpolation=self._interpolation(side)), np.uint8)

    def shrunk(self, values: FloatArray, side: int) -> FloatArray:
        """Return (side, side) of the photo's values (H, W), float32."""
        import cv2

        part = values[self.y : self.y + self.height, self.x : self.x + self.width]
        return np.asarray(cv2.resize(part, (side, side), interpolation=self._interpolation(side)), np.float32)

    def enlarged(self, values: FloatArray) -> FloatArray:
        """Return (height, width), float32, of values over this part, (side, side)."""
        import cv2

        return np.asarray(cv2.resize(values, (self.width, self.height), interpolation=cv2.INTER_LINEAR), np.float32)

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
        import cv2

        # Averaging is for what gets smaller; what grows in one direction and shrinks in the other is rarely seen.
        return int(cv2.INTER_AREA if self.width * self.height > side * side else cv2.INTER_LINEAR)
