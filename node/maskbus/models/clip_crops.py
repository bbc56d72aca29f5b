"""Many masks of one picture as crops of one size, cut and resized together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

BoolArray = npt.NDArray[np.bool_]
UInt8Array = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""x, y, width, height in pixels of the picture."""

BACKGROUNDS = ("black", "mean", "blur", "keep")
_SHOWN = 14
"""A blurred background is as if the whole crop had about so many pixels a side."""


@dataclass(frozen=True)
class Look:
    """What is shown of a mask."""

    background: str = "mean"
    """One of `BACKGROUNDS`."""
    margin: float = 0.1
    """By how much the mask's box is grown on each side, in parts of its longer side."""


class CropCutter:
    """Cut masks out of one picture.

    Of each mask, its box with the margin around it, as far as the picture goes, lies in the middle of a square as
    large as the longer side of that; the square becomes `side` × `side`. Picture and mask are resized each for itself
    and then mixed: `alpha · picture + (1 - alpha) · background`, alpha being the part of a crop's pixel that the mask
    covers. The background is black, the mean colour, the picture blurred or the picture itself; beyond the box with its
    margin, and beyond the picture, it is black with black and the mean colour with all others.

    Resizing is bilinear, from a copy of the picture that averages have halved (Williams 1983, Pyramidal Parametrics)
    as often as it takes to have about as many pixels as the crop: one pass over all crops, whatever their sizes, and
    none of them aliases.
    """

    def __init__(self, rgb: UInt8Array, side: int, mean: Sequence[float], device: str = "cpu") -> None:
        """Prepare a picture.

        Args:
            rgb: uint8 (H, W, 3).
            side: Of the crops, pixels.
            mean: The mean colour, red, green and blue in 0…1.
            device: Where the crops are made.
        """
        self._height, self._width = rgb.shape[:2]
        self._side = side
        self._mean = torch.tensor(tuple(mean), device=device).view(1, 3, 1, 1)
        level = torch.from_numpy(np.array(rgb)).to(device).permute(2, 0, 1)[None].float().div_(255)
        self._levels = [level]
        while max(level.shape[-2:]) > _SHOWN:
            # The last pixel of an odd side is the mean of what there is.
            level = functional.avg_pool2d(level, 2, ceil_mode=True, count_include_pad=False)
            self._levels.append(level)

    def cut(self, boxes: Sequence[Box], patches: Sequence[BoolArray], look: Look) -> Tensor:
        """Return the crops of N masks, float32 (N, 3, side, side) in 0…1, on the device.

        Args:
            boxes: Of each mask.
            patches: Each mask inside of its box, bool (height, width).
            look: What is shown.
        """
        windows = self._windows(np.array(boxes, np.float64).reshape(-1, 4), look.margin)
        squares = _squares(windows)
        levels = self._level(squares[:, 2] / self._side)
        at = self._places(squares)
        needs_mask = look.background != "keep"
        fill = torch.zeros_like(self._mean) if look.background == "black" else self._mean
        if look.background in ("black", "mean"):
            around: Tensor = fill
        else:
            covered = self._covered(windows, squares)
            # A picture that is kept is sampled where the object is, too.
            shown = self._sampled(at, self._level(squares[:, 2] / _SHOWN) if needs_mask else levels)
            around = torch.lerp(fill, shown, covered)
        if not needs_mask:
            return around
        alpha = self._alpha(boxes, patches, at, levels)
        return torch.lerp(around, self._sampled(at, levels), alpha)

    def _windows(self, boxes: npt.NDArray[np.float64], margin: float) -> npt.NDArray[np.float64]:
        """Return left, top, right, bottom (N, 4) of what is looked at."""
        grown = margin * boxes[:, 2:].max(1, keepdims=True)
        size = np.array([self._width, self._height], np.float64)
        first = (boxes[:, :2] - grown).clip(0, None)
        last = np.minimum(boxes[:, :2] + boxes[:, 2:] + grown, size)
        return np.concatenate([first, last], 1)

    def _level(self, steps: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """Return which copy has pixels about as far apart as `steps`, in pixels of the picture."""
        return np.rint(np.log2(steps)).clip(0, len(self._levels) - 1).astype(np.intp)

    def _places(self, squares: npt.NDArray[np.float64]) -> Tensor:
        """Return where the crops' columns and rows lie in the picture: x and y of their centres, (N, 2, side)."""
        steps = (np.arange(self._side) + 0.5) / self._side
        places = squares[:, :2, None] + squares[:, 2, None, None] * steps
        return torch.from_numpy(places.astype(np.float32)).to(self._mean.device)

    def _sampled(self, at: Tensor, levels: npt.NDArray[np.intp]) -> Tensor:
        """Return the picture at these places, (N, 3, side, side), each crop from its own level."""
        crops = torch.empty(len(at), 3, self._side, self._side, device=at.device)
        for level in np.unique(levels).tolist():
            picture = self._levels[level]
            which = torch.from_numpy(np.flatnonzero(levels == level)).to(at.device)
            crops[which] = _bilinear(picture.expand(len(which), -1, -1, -1), at[which] / 2**level, "border")
        return crops

    def _alpha(
        self, boxes: Sequence[Box], patches: Sequence[BoolArray], at: Tensor, levels: npt.NDArray[np.intp]
    ) -> Tensor:
        """Return how much of each pixel a crop's mask covers, (N, 1, side, side), sampled as the picture is."""
        reduced = [_averaged(patch, 2**level) for patch, level in zip(patches, levels.tolist(), strict=True)]
        longest = max(max(patch.shape) for patch in reduced)
        stack = np.zeros((len(reduced), 1, longest, longest), np.uint8)
        for room, patch in zip(stack, reduced, strict=True):
            room[0, : patch.shape[0], : patch.shape[1]] = patch
        first = torch.tensor([box[:2] for box in boxes], dtype=torch.float32, device=at.device)[:, :, None]
        factor = torch.from_numpy(np.exp2(levels).astype(np.float32)).to(at.device)[:, None, None]
        masks = torch.from_numpy(stack).to(at.device).float().div_(255)
        return _bilinear(masks, (at - first) / factor, "zeros")

    def _covered(self, windows: npt.NDArray[np.float64], squares: npt.NDArray[np.float64]) -> Tensor:
        """Return which part of each of the crop's pixels lies in its window, (N, 1, side, side)."""
        edges = squares[:, :2, None] + squares[:, 2, None, None] * np.arange(self._side + 1) / self._side
        inside = np.minimum(edges[:, :, 1:], windows[:, 2:, None]) - np.maximum(edges[:, :, :-1], windows[:, :2, None])
        parts = (inside / (squares[:, 2] / self._side)[:, None, None]).clip(0, 1).astype(np.float32)
        covered = parts[:, 1, :, None] * parts[:, 0, None, :]
        return torch.from_numpy(covered[:, None]).to(self._mean.device)


def _squares(windows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return left, top and side (N, 3) of the squares with the windows in their middle."""
    size = windows[:, 2:] - windows[:, :2]
    side = size.max(1, keepdims=True)
    return np.concatenate([windows[:, :2] - (side - size) / 2, side], 1)


def _averaged(patch: BoolArray, factor: int) -> UInt8Array:
    """Return a mask with `factor` × `factor` pixels as one, 255 where all of them are of it; beyond it is nothing."""
    values = np.negative(patch.view(np.uint8))
    if factor == 1:
        return values
    height, width = (math.ceil(side / factor) for side in patch.shape)
    padded = np.zeros((height * factor, width * factor), np.uint8)
    padded[: patch.shape[0], : patch.shape[1]] = values
    averaged = cv2.resize(padded, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(averaged, np.uint8).reshape(height, width)


def _bilinear(pictures: Tensor, at: Tensor, beyond: str) -> Tensor:
    """Return N pictures at x and y (N, 2, side) in their own pixels, 0.5 being the centre of the first."""
    height, width = pictures.shape[-2:]
    across, down = at[:, 0] * (2 / width) - 1, at[:, 1] * (2 / height) - 1
    side = at.shape[-1]
    grid = torch.stack([across[:, None, :].expand(-1, side, -1), down[:, :, None].expand(-1, -1, side)], -1)
    return functional.grid_sample(pictures, grid, mode="bilinear", padding_mode=beyond, align_corners=False)
