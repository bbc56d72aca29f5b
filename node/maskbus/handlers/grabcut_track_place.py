"""Keep where an object is and what it looks like, and find that place again in the next frame.

Correlation filters on gradients and colours (Bolme et al. 2010; Danelljan et al. 2014), in a window of fixed size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from maskbus.handlers.grabcut_track_view import Part
from maskbus.models.colours import F32, U8

GRID = 64
"""Side of the window, its own pixels."""
REACH = 2.2
"""Half the extent of an object, in standard deviations of its pixels' coordinates."""
WINDOW = 2.0
"""Half the window, in halves of the object's extent."""
SMALLEST = 4.0
"""Least half extent, pixels of the working copy."""
SPREAD = 2.0
"""Standard deviation of the peak that the filter is taught to answer, pixels of the window."""
REGULAR = 0.01
"""Regularisation of the filter, as a share of the mean power of the window's spectrum."""

Complex = npt.NDArray[np.complex64]


@dataclass(frozen=True)
class Place:
    """Hold an upright rectangle in pixels of the working copy."""

    centre: npt.NDArray[np.float64]
    """(2,) x, y."""
    half: npt.NDArray[np.float64]
    """(2,) half its width and height."""

    def part(self, shape: tuple[int, int]) -> Part:
        """Return the window around it, cut to a frame of `shape`, (h, w); at least 8 pixels a side if there are."""
        parts = []
        for axis, size in ((1, shape[0]), (0, shape[1])):
            middle, far = float(self.centre[axis]), float(self.half[axis]) * WINDOW
            start = min(max(int(np.floor(middle - far)), 0), max(size - 8, 0))
            parts.append(slice(start, min(max(int(np.ceil(middle + far)), start + 8), size)))
        return parts[0], parts[1]

    def to_frame(self) -> npt.NDArray[np.float64]:
        """Return the (2, 3) matrix from pixels of the window to pixels of the working copy."""
        step = 2 * self.half * WINDOW / GRID
        start = self.centre - self.half * WINDOW + step / 2
        return np.array([[step[0], 0, start[0]], [0, step[1], start[1]]])

    def window(self, values: F32) -> F32:
        """Return (GRID, GRID) what of `values`, (h, w), lies in the window."""
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(values, self.to_frame(), (GRID, GRID), flags=flags), np.float32)

    def in_frame(self, values: F32, shape: tuple[int, int]) -> F32:
        """Return (h, w) `values`, (GRID, GRID), put where the window is; 0 around it."""
        return np.asarray(cv2.warpAffine(values, self.to_frame(), shape[::-1]), np.float32).reshape(shape)


def place_of(mask: F32) -> Place:
    """Return the place of a mask, (h, w) 0…1 and not empty, from the mean and spread of its pixels."""
    total = float(mask.sum())
    centre, half = np.zeros(2), np.zeros(2)
    for n in (0, 1):
        weight = mask.sum(axis=n, dtype=np.float64)
        along = np.arange(len(weight))
        centre[n] = weight @ along / total
        half[n] = REACH * np.sqrt(weight @ (along - centre[n]) ** 2 / total)
    return Place(centre, np.maximum(half, SMALLEST))


@dataclass(frozen=True)
class Filter:
    """Hold a correlation filter as the two halves of its spectrum, so that it can go on learning."""

    above: Complex
    """(7, GRID, GRID // 2 + 1) one a channel."""
    below: F32
    """(GRID, GRID // 2 + 1) power."""

    @property
    def nbytes(self) -> int:
        """Bytes of both arrays."""
        return int(self.above.nbytes + self.below.nbytes)

    def plus(self, other: Filter, rate: float) -> Filter:
        """Return this filter with the share `rate` of `other` in it."""
        kept = np.float32(1 - rate), np.float32(rate)
        return Filter(kept[0] * self.above + kept[1] * other.above, kept[0] * self.below + kept[1] * other.below)

    def find(self, bgr: U8, place: Place) -> tuple[Place, float]:
        """Return where near `place` the object is most likely, and the answer there: about 1 where it looks as ever."""
        seen = _spectrum(bgr, place)
        spectrum = (np.conj(self.above) * seen).sum(axis=0) / (self.below + REGULAR * self.below.mean() + 1e-6)
        answer = np.fft.irfft2(spectrum, s=(GRID, GRID))
        row, column = divmod(int(answer.argmax()), GRID)
        steps = np.array([(n + GRID // 2) % GRID - GRID // 2 for n in (column, row)])
        return Place(place.centre + steps * 2 * place.half * WINDOW / GRID, place.half), float(answer[row, column])


def teach(bgr: U8, place: Place, shape: F32) -> Filter:
    """Return the filter that answers a peak in the middle of the window at `place`.

    What `shape`, (GRID, GRID) 0…1, leaves out is not learnt: the ground does not come along (Lukežič et al. 2017).
    """
    seen = _spectrum(bgr, place, np.asarray(cv2.GaussianBlur(shape, (0, 0), SPREAD), np.float32))
    far = np.minimum(np.arange(GRID), GRID - np.arange(GRID)) ** 2
    peak = np.fft.rfft2(np.exp(-(far[:, None] + far[None]) / (2 * SPREAD**2)))
    return Filter(
        np.asarray(np.conj(peak) * seen, np.complex64), np.asarray((np.abs(seen) ** 2).sum(axis=0), np.float32)
    )


def _spectrum(bgr: U8, place: Place, weight: F32 | None = None) -> Complex:
    """Return (7, GRID, GRID // 2 + 1): lightness, a, b and four directions of gradient in the window."""
    # What the window takes together is averaged first.
    side = max(1, int(2 * place.half.min() * WINDOW / GRID))
    smooth = cv2.blur(bgr, (side, side)) if side > 1 else bgr
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cropped = cv2.warpAffine(smooth, place.to_frame(), (GRID, GRID), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    lab = np.asarray(cv2.cvtColor(cropped.astype(np.float32) / 255, cv2.COLOR_BGR2LAB), np.float32)
    lightness = lab[..., 0] / 100
    across, down = cv2.Sobel(lightness, cv2.CV_32F, 1, 0), cv2.Sobel(lightness, cv2.CV_32F, 0, 1)
    strength = np.sqrt(across * across + down * down)
    # A direction and its opposite count as one: the ground behind an edge changes.
    direction = 2 * np.arctan2(down, across)
    strength = strength / (cv2.GaussianBlur(strength, (0, 0), 4.0) + 0.05)
    channels = [lightness - lightness.mean(), *((lab[..., n] - lab[..., n].mean()) / 30 for n in (1, 2))]
    for turn in range(4):
        facing = np.maximum(0, np.cos(direction - turn * np.pi / 2)) * strength
        channels.append(0.5 * cv2.GaussianBlur(facing.astype(np.float32), (0, 0), 1.0))
    taper = np.hanning(GRID + 2)[1:-1].astype(np.float32)
    tapered = np.stack(channels) * taper * taper[:, None]
    return np.asarray(np.fft.rfft2(tapered if weight is None else tapered * weight), np.complex64)
