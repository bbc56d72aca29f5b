"""How a photo lies in what FastSAM's network looks at: scaled, in the middle, with grey around it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_GREY = 114
_STRIDE = 32
"""The sides of the network's input are multiples of it."""


@dataclass(frozen=True)
class Letterbox:
    """The authors' framing, rounding included (Jocher et al., Ultralytics YOLO)."""

    height: int
    """Of the photo, pixels."""
    width: int
    input_height: int
    """Of what the network looks at, pixels."""
    input_width: int

    @classmethod
    def around(cls, height: int, width: int, side: int) -> Letterbox:
        """Return the smallest one whose longer side is `side`, for a network that takes any size."""
        scale = side / max(height, width)
        input_height, input_width = (
            _STRIDE * math.ceil(max(1, round(length * scale)) / _STRIDE) for length in (height, width)
        )
        return cls(height, width, input_height, input_width)

    @property
    def scaled(self) -> tuple[int, int]:
        """Height and width of the photo in the input; a photo that is all but a line is one pixel high at least."""
        scale = min(self.input_height / self.height, self.input_width / self.width)
        return max(1, round(self.height * scale)), max(1, round(self.width * scale))

    @property
    def corner(self) -> tuple[int, int]:
        """Row and column of the photo's first pixel in the input."""
        height, width = self.scaled
        return round((self.input_height - height) / 2 - 0.1), round((self.input_width - width) / 2 - 0.1)

    def pixels(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the input, float32 (1, 3, input_height, input_width) of 0…1, of a photo, uint8 (H, W, 3)."""
        import cv2

        (height, width), (top, left) = self.scaled, self.corner
        small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR)
        framed = np.full((1, 3, self.input_height, self.input_width), _GREY, np.float32)
        framed[0, :, top : top + height, left : left + width] = small.transpose(2, 0, 1)
        framed /= 255
        return framed

    def boxes(self, boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return boxes of the input, (N, 4) x0, y0, x1, y1, in pixels of the photo and cut to it.

        Edges, not centres of pixels: the first pixel reaches from 0 to 1.
        """
        (height, width), (top, left) = self.scaled, self.corner
        places = (boxes - [left, top, left, top]) * np.array([self.width / width, self.height / height] * 2)
        return np.asarray(places.clip(0, np.array([self.width, self.height] * 2)), np.float32)
