"""The parts of an image that are searched, and the points in each (Kirillov et al. 2023, appendix B)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import EverythingSettings

_EDGE = 20
"""Pixels from a crop's edge within which a mask's side counts as cut off by it."""


@dataclass(frozen=True)
class Crop:
    """A part of an image, in pixels; and the layer it belongs to, 0 being the whole image."""

    x: int
    y: int
    width: int
    height: int
    layer: int = 0

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x, y, width, height."""
        return self.x, self.y, self.width, self.height


def crops(height: int, width: int, settings: EverythingSettings) -> list[Crop]:
    """Return the whole image, and then the crops of each layer, column by column.

    Layer i has 2^i crops along each side. They overlap by `crop_overlap_ratio` of the shorter side in the first layer,
    and by half as much in each further one.
    """
    found = [Crop(0, 0, width, height)]
    for layer in range(1, settings.crop_n_layers + 1):
        count = 2**layer
        overlap = int(settings.crop_overlap_ratio * min(height, width) * (2 / count))
        across, down = (math.ceil((overlap * (count - 1) + side) / count) for side in (width, height))
        for column in range(count):
            for row in range(count):
                x, y = column * (across - overlap), row * (down - overlap)
                crop = Crop(x, y, min(across, width - x), min(down, height - y), layer)
                # An image of few pixels has fewer crops than that.
                if crop.width > 0 and crop.height > 0:
                    found.append(crop)
    return found


def points(crop: Crop, settings: EverythingSettings) -> npt.NDArray[np.float64]:
    """Return the grid of a crop, (N, 2) x, y in its pixels, row by row: the centres of equal cells."""
    side = max(1, int(settings.points_per_side / settings.crop_n_points_downscale_factor**crop.layer))
    centres = (np.arange(side) + 0.5) / side
    x, y = np.meshgrid(centres * crop.width, centres * crop.height)
    return np.stack([x.ravel(), y.ravel()], axis=-1)


def is_cut_off(bbox: tuple[int, int, int, int], crop: Crop, height: int, width: int) -> bool:
    """Tell whether a mask ends near an edge of its crop that is no edge of the image: most of it may lie beyond.

    Args:
        bbox: x, y, width, height of the mask in the image's pixels.
        crop: Where it was found.
        height: Of the image.
        width: Of the image.
    """
    # The reference compares the last pixel inside a mask with the first one outside of a crop.
    mask = (bbox[0], bbox[1], bbox[0] + bbox[2] - 1, bbox[1] + bbox[3] - 1)
    edges = (crop.x, crop.y, crop.x + crop.width, crop.y + crop.height)
    image = (0, 0, width, height)
    return any(
        abs(side - edge) <= _EDGE and abs(side - border) > _EDGE
        for side, edge, border in zip(mask, edges, image, strict=True)
    )
