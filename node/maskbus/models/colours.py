"""The colours of a small picture, as cuts by colour want them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]

AROUND = 3.0
"""Standard deviation of the blur that takes the mean of a texture, pixels."""
LAB_BINS = (24, 32, 32)
"""Bins of the colour histogram in L, a, b."""


@dataclass(frozen=True)
class Pixels:
    """Hold the colours of a small picture, or of a rectangle in it, as the cuts want them."""

    small: U8
    """(h, w, 3) BGR."""
    contrast: U8
    """(h, w, 2) along the two strongest colour directions."""
    bins: I32
    """(h, w) index into the colour histogram."""
    broad: I32
    """(h, w) the same of the colour around each pixel: of a texture, it is the mean."""

    @classmethod
    def of(cls, bgr: U8, lab: F32 | None = None) -> Pixels:
        """Return the colours of a picture (h, w, 3); `lab` is `to_lab` of it, where that is there already."""
        lab = to_lab(bgr) if lab is None else lab
        around = np.asarray(cv2.GaussianBlur(lab, (0, 0), AROUND), np.float32)
        return cls(bgr, principal_colours(bgr), _histogram_bins(lab), _histogram_bins(around))

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(int(getattr(self, field.name).nbytes) for field in fields(self))

    def crop(self, part: tuple[slice, slice]) -> Pixels:
        """Return the rectangle `part`, rows and columns."""
        return Pixels(np.ascontiguousarray(self.small[part]), self.contrast[part], self.bins[part], self.broad[part])


def to_lab(bgr: U8) -> F32:
    """Return (h, w, 3) CIE Lab of a picture."""
    return np.asarray(cv2.cvtColor(bgr.astype(np.float32) / 255, cv2.COLOR_BGR2LAB), np.float32)


def principal_colours(small: U8) -> U8:
    """Return (h, w, 2) uint8: `small`, (h, w, 3), along its two strongest colour directions."""
    pixels = small.reshape(-1, 3).astype(np.float32)
    pixels -= pixels.mean(axis=0)
    _, axes = np.linalg.eigh(pixels.T @ pixels / len(pixels))
    # 0.55 keeps the longest diagonal of the colour cube inside a byte.
    projected = pixels @ axes[:, :0:-1] * 0.55 + 128
    return np.asarray(np.clip(projected, 0, 255).astype(np.uint8).reshape(*small.shape[:2], 2), np.uint8)


def _histogram_bins(lab: F32) -> I32:
    bins = np.array(LAB_BINS, np.float32)
    scaled = (lab + np.array([0, 64, 64], np.float32)) / np.array([100, 128, 128], np.float32) * bins
    index = np.clip(scaled, 0, bins - 1).astype(np.int32)
    return np.asarray((index[..., 0] * LAB_BINS[1] + index[..., 1]) * LAB_BINS[2] + index[..., 2], np.int32)
