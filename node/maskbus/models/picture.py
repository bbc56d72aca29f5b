"""From a photo to the square that SAM looks at, and from its low-resolution logits back to the photo.

Two conventions: SAM scales the longer side to the square's and fills up with zeros (`Letterbox`); SAM 2 stretches both
sides (`Stretch`). Each is done exactly as the authors' predictors do it, rounding and interpolation included.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image as Pillow
from torch import Tensor
from torch.nn import functional

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Framing(ABC):
    """How a photo lies in the model's square."""

    height: int
    """Of the photo, pixels."""
    width: int
    side: int = 1024
    """Of the square, pixels."""

    @abstractmethod
    def tensor(self, rgb: UInt8Array) -> Tensor:
        """Return the normalised square, float32 (3, side, side), of the photo, uint8 (H, W, 3)."""

    @abstractmethod
    def tensor_on(self, rgb: UInt8Array, device: torch.device) -> Tensor:
        """Return what `tensor` does, made on a device that is quicker at it than Pillow: the photo itself goes there.

        Values may differ by the rounding of one of 255 levels.
        """

    @abstractmethod
    def places(self, xy: FloatArray) -> FloatArray:
        """Return places of the photo, (…, 2) x, y, in pixels of the square."""

    @abstractmethod
    def upscale(self, logits: FloatArray) -> FloatArray:
        """Return logits of the square, (h, h), at the photo's size, (H, W)."""

    @abstractmethod
    def shrink(self, mask: FloatArray, side: int) -> FloatArray:
        """Return values of the photo, (H, W), in the square at `side` x `side`."""


class Letterbox(Framing):
    """SAM, MobileSAM: the photo at the square's top left, what is beside or below it empty."""

    _MEAN = (123.675, 116.28, 103.53)
    _DEVIATION = (58.395, 57.12, 57.375)

    @property
    def _scaled(self) -> tuple[int, int]:
        """Height and width of the photo in the square; a photo that is all but a line is one pixel high at least."""
        scale = self.side / max(self.height, self.width)
        return max(1, int(self.height * scale + 0.5)), max(1, int(self.width * scale + 0.5))

    def tensor(self, rgb: UInt8Array) -> Tensor:
        """Scale with Pillow's bilinear filter, normalise, fill up."""
        height, width = self._scaled
        small = np.array(Pillow.fromarray(rgb).resize((width, height), Pillow.Resampling.BILINEAR))
        square = torch.zeros(3, self.side, self.side)
        pixels = torch.from_numpy(small).permute(2, 0, 1)
        inner = square[:, :height, :width]
        torch.sub(pixels, torch.tensor(self._MEAN).view(3, 1, 1), out=inner)
        inner /= torch.tensor(self._DEVIATION).view(3, 1, 1)
        return square

    def tensor_on(self, rgb: UInt8Array, device: torch.device) -> Tensor:
        """Scale with torch's antialiased bilinear filter, round as Pillow does, normalise, fill up."""
        height, width = self._scaled
        pixels = _uploaded(rgb, device).float()
        small = functional.interpolate(pixels[None], (height, width), mode="bilinear", antialias=True)[0].round_()
        mean, deviation = (
            torch.tensor(values, device=device).view(3, 1, 1) for values in (self._MEAN, self._DEVIATION)
        )
        return functional.pad((small - mean) / deviation, (0, self.side - width, 0, self.side - height))

    def places(self, xy: FloatArray) -> FloatArray:
        """Scale each axis as its side was scaled."""
        height, width = self._scaled
        return xy * np.array([width / self.width, height / self.height], np.float32)

    def upscale(self, logits: FloatArray) -> FloatArray:
        """Scale to the square, cut the photo's part out, scale it to the photo: bilinear, twice."""
        height, width = self._scaled
        square = _bilinear(logits, self.side, self.side)
        return _bilinear(square[:height, :width], self.height, self.width)

    def shrink(self, mask: FloatArray, side: int) -> FloatArray:
        """Scale and fill up with the smallest value."""
        height, width = self._scaled
        square = np.full((self.side, self.side), mask.min(), np.float32)
        square[:height, :width] = _averaged(mask, height, width)
        return _averaged(square, side, side)


class Stretch(Framing):
    """SAM 2: the whole square is the photo."""

    _MEAN = (0.485, 0.456, 0.406)
    _DEVIATION = (0.229, 0.224, 0.225)

    def tensor(self, rgb: UInt8Array) -> Tensor:
        """Scale with an antialiased bilinear filter, normalise."""
        # A copy: torch takes no array that is read-only, as pixels in shared memory are.
        pixels = torch.from_numpy(np.array(rgb)).permute(2, 0, 1).contiguous().float().div_(255)
        size = (self.side, self.side)
        square = functional.interpolate(pixels[None], size, mode="bilinear", antialias=True)[0]
        square -= torch.tensor(self._MEAN).view(3, 1, 1)
        square /= torch.tensor(self._DEVIATION).view(3, 1, 1)
        return square

    def tensor_on(self, rgb: UInt8Array, device: torch.device) -> Tensor:
        """Scale and normalise as `tensor` does."""
        pixels = _uploaded(rgb, device).float().div_(255)
        square = functional.interpolate(pixels[None], (self.side, self.side), mode="bilinear", antialias=True)[0]
        mean, deviation = (
            torch.tensor(values, device=device).view(3, 1, 1) for values in (self._MEAN, self._DEVIATION)
        )
        return (square - mean) / deviation

    def places(self, xy: FloatArray) -> FloatArray:
        """Scale each axis by itself."""
        return xy / np.array([self.width, self.height], np.float32) * np.float32(self.side)

    def upscale(self, logits: FloatArray) -> FloatArray:
        """Scale to the photo: bilinear."""
        return _bilinear(logits, self.height, self.width)

    def shrink(self, mask: FloatArray, side: int) -> FloatArray:
        """Average what falls together."""
        return _averaged(mask, side, side)


def _uploaded(rgb: UInt8Array, device: torch.device) -> Tensor:
    """Return uint8 (H, W, 3) as (3, H, W) on a device; through pinned memory, so that nothing waits for the copy."""
    # A copy: torch takes no array that is read-only, as pixels in shared memory are.
    pixels = torch.from_numpy(np.array(rgb))
    if device.type == "cuda":
        pixels = pixels.pin_memory()
    return pixels.to(device, non_blocking=True).permute(2, 0, 1)


def _averaged(values: FloatArray, height: int, width: int) -> FloatArray:
    """Scale float32 (h, w), one axis at a time: by averages where it shrinks, which cv2 does only if both do."""
    for size in ((width, len(values)), (width, height)):
        shrinks = size[0] < values.shape[1] or size[1] < values.shape[0]
        scaled = cv2.resize(values, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        values = np.asarray(scaled, np.float32).reshape(size[1], size[0])
    return values


def _bilinear(values: FloatArray, height: int, width: int) -> FloatArray:
    """Scale float32 (h, w): as torch's bilinear without antialiasing, at a third of its time."""
    if values.shape == (height, width):
        return values
    scaled = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(scaled, np.float32).reshape(height, width)
