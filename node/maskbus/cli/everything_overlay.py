"""All objects painted over their picture, each in a colour of its own."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from maskbus_client.masks import Mask
from maskbus_wire import geometry, label_map, overlay

_SIDE_PER_LINE = 600
"""One pixel of outline for so many pixels of the picture's shorter side."""


def painted(rgb: NDArray[np.uint8], masks: Iterable[Mask], *, seed: int = 0, alpha: float = 0.7) -> NDArray[np.uint8]:
    """Return the picture with the masks over it, RGB uint8 (H, W, 3).

    Larger masks are painted first, and a smaller one on top is not mixed with them: it is as easy to see as if it lay
    there alone.

    Args:
        rgb: The picture, uint8 (H, W, 3).
        masks: Its masks; each has the colour of its place among them.
        seed: Which colours; the same ones for the same seed.
        alpha: The share of the colour, 0…1.
    """
    # One mask at a time: a thousand at full size would not fit.
    windows = [geometry.window(mask.to_array()) for mask in masks]
    labels = label_map.encode_windows(windows, rgb.shape[0], rgb.shape[1])
    colours = np.zeros((len(windows) + 1, 3), np.uint8)
    colours[1:] = overlay.palette(seed + len(windows))[seed:]
    share = np.where(labels > 0, round(alpha * 256), 0).astype(np.uint16)
    share[_outlines(labels, max(1, round(min(labels.shape) / _SIDE_PER_LINE)))] = 256
    mixed = rgb * (256 - share)[:, :, None] + colours[labels] * share[:, :, None]
    return (mixed >> 8).astype(np.uint8)


def _outlines(labels: NDArray[np.uint8] | NDArray[np.uint16], width: int) -> NDArray[np.bool_]:
    """Return the pixels of masks that border on another one, or on none, to the left or above."""
    edges = np.zeros(labels.shape, np.bool_)
    for by in range(1, width + 1):
        edges[:, by:] |= labels[:, by:] != labels[:, :-by]
        edges[by:] |= labels[by:] != labels[:-by]
    found: NDArray[np.bool_] = edges & (labels > 0)
    return found
