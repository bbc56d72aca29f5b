"""What one would write without maskbus: each mask cut out, painted around, resized and normalised by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

BoolArray = npt.NDArray[np.bool_]
UInt8Array = npt.NDArray[np.uint8]


def crop(
    rgb: UInt8Array, mask: BoolArray, side: int, background: str, margin: float, mean: Sequence[float]
) -> npt.NDArray[np.float32]:
    """Return one mask's crop, float32 (3, side, side) in 0…1: the definition of `CropCutter`, taken at its word.

    Args:
        rgb: uint8 (H, W, 3).
        mask: bool (H, W).
        side: Of the crop.
        background: black, mean, blur or keep.
        margin: In parts of the box's longer side.
        mean: Red, green and blue in 0…1.
    """
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    grown = margin * max(bottom - top, right - left)
    top, bottom = max(0, top - grown), min(height, bottom + grown)
    left, right = max(0, left - grown), min(width, right + grown)
    longest = max(bottom - top, right - left)
    fill = np.zeros(3) if background == "black" else 255 * np.array(mean)
    if background == "keep":
        painted = rgb.astype(np.float64)
    elif background == "blur":
        blurred = cv2.GaussianBlur(rgb, (0, 0), longest / 28, borderType=cv2.BORDER_REPLICATE)
        painted = np.where(mask[:, :, None], rgb, blurred).astype(np.float64)
    else:
        painted = np.where(mask[:, :, None], rgb, fill)
    # What is looked at, in the middle of a square.
    x0, x1, y0, y1 = round(left), round(right), round(top), round(bottom)
    over = int(np.ceil(longest)) + 1
    canvas = np.empty((y1 - y0 + 2 * over, x1 - x0 + 2 * over, 3))
    canvas[:] = fill
    canvas[over : over + y1 - y0, over : over + x1 - x0] = painted[y0:y1, x0:x1]
    x, y = over - x0 + (left + right - longest) / 2, over - y0 + (top + bottom - longest) / 2
    picture = Image.fromarray(canvas.round().astype(np.uint8))
    resized = picture.resize((side, side), Image.Resampling.BILINEAR, box=(x, y, x + longest, y + longest))
    return np.asarray(resized, np.float32).transpose(2, 0, 1) / 255


def vectors(
    visual: Any, rgb: UInt8Array, masks: Sequence[BoolArray], side: int, background: str, margin: float, recipe: Any
) -> npt.NDArray[np.float32]:
    """Return the vectors of masks, float32 (N, D), of length 1: crop by crop, through torch in float32."""
    import torch

    found = []
    for mask in masks:
        pixels = torch.from_numpy(crop(rgb, mask, side, background, margin, recipe.grey))
        colours = (pixels - torch.tensor(recipe.mean).view(3, 1, 1)) / torch.tensor(recipe.deviation).view(3, 1, 1)
        with torch.inference_mode():
            found.append(torch.nn.functional.normalize(visual(colours[None]), dim=-1))
    return torch.cat(found).numpy()
