"""Masks painted over their picture, for people to look at.

Each object gets a colour of its own: hues go round the colour circle by the golden ratio, so that neighbours in the
list are far apart however many there are, and depth changes from one to the next. The colour of object i never depends
on how many others there are.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskbus_wire import geometry
from maskbus_wire.geometry import Window

_GOLDEN_RATIO = (5**0.5 - 1) / 2
# A warm first colour: most objects lie on grass, sky or skin, and a single object is the usual case.
_FIRST_HUE = 0.93
# One pixel of outline for so many pixels of the picture's shorter side.
_SIDE_PER_OUTLINE = 400


def palette(count: int) -> NDArray[np.uint8]:
    """Return well distinguishable RGB colours, uint8 (count, 3); the first ones are the same for every count."""
    table = np.empty((count, 3), np.uint8)
    for index in range(count):
        hue = (_FIRST_HUE + index * _GOLDEN_RATIO) % 1
        # Every third colour is deeper, every third paler: more of them can be told apart than by hue alone.
        saturation, value = ((0.85, 1.0), (0.95, 0.8), (0.6, 1.0))[index % 3]
        table[index] = [round(255 * channel) for channel in colorsys.hsv_to_rgb(hue, saturation, value)]
    return table


def paint(
    rgb: NDArray[np.uint8],
    masks: NDArray[np.bool_],
    *,
    alpha: float = 0.5,
    colours: NDArray[np.uint8] | None = None,
    outline: bool = True,
) -> NDArray[np.uint8]:
    """Return a copy of the picture, uint8 (H, W, 3), with bool masks (N, H, W) painted over it, the largest first.

    `alpha` is the share of the colour, 0 to 1. `colours` are uint8 (N or more, 3) in the channel order of the picture;
    left out, they are RGB. The outline is a line of the full colour along the inside of each mask's border, with a
    thin light one inside of that. ValueError for other shapes, dtypes or shares.
    """
    masks = geometry.require_masks(masks)
    _require_picture(rgb, masks.shape[1:])
    windows = [geometry.window(mask) for mask in masks]
    return paint_windows(rgb, windows, alpha=alpha, colours=colours, outline=outline)


def paint_windows(
    rgb: NDArray[np.uint8],
    windows: Sequence[Window],
    *,
    alpha: float = 0.5,
    colours: NDArray[np.uint8] | None = None,
    outline: bool = True,
) -> NDArray[np.uint8]:
    """Do the same with masks that are cut to their boxes."""
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is a share from 0 to 1, not {alpha}")
    count = len(windows)
    table = palette(count) if colours is None else np.asarray(colours)
    if table.ndim != 2 or table.shape[1] != 3 or table.shape[0] < count or table.dtype != np.uint8:
        raise ValueError(f"colours must be uint8 ({count} or more, 3), not {table.dtype} {table.shape}")
    painted: NDArray[np.uint8] = np.array(rgb, order="C")
    width = max(1, round(min(rgb.shape[:2]) / _SIDE_PER_OUTLINE))
    areas = np.array([geometry.area(mask) for _, mask in windows], np.int64)
    for index in np.argsort(-areas, kind="stable").tolist():
        (x, y, w, h), mask = windows[index]
        if not w:
            continue
        window = painted[y : y + h, x : x + w]
        # Seen as rows of bytes: numpy is slow where its innermost loop runs over three channels.
        flat = painted.reshape(rgb.shape[0], -1)[y : y + h, 3 * x : 3 * (x + w)]
        _blend(flat, mask, table[index], alpha)
        if outline:
            # The line lies on the mask's own pixels: painted outside, it would hide what the mask is not.
            outer = _eroded(mask, width)
            window[mask & ~outer] = table[index]
            window[outer & ~_eroded(outer, max(1, width // 2))] = _paler(table[index])
    return painted


def _require_picture(rgb: NDArray[Any], shape: tuple[int, ...]) -> None:
    if not isinstance(rgb, np.ndarray) or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError("the picture must be a uint8 array (H, W, 3)")
    if rgb.shape[:2] != shape:
        raise ValueError(f"masks of {shape[0]} x {shape[1]} pixels do not fit a picture of {rgb.shape[:2]}")


def _blend(flat: NDArray[np.uint8], mask: NDArray[np.bool_], colour: NDArray[np.uint8], alpha: float) -> None:
    """Mix the colour into the pixels (h, 3 * w) that the mask (h, w) names."""
    share = round(alpha * 256)
    # (pixel * (256 - share) + colour * share) / 256 in whole numbers: it stays below 2**16.
    mixed = np.multiply(flat, 256 - share, dtype=np.uint16)  # numpy 1 would stay in 8 bits if the type were left out
    mixed += np.tile(colour.astype(np.uint16) * np.uint16(share), mask.shape[1])
    mixed >>= 8
    np.copyto(flat, mixed, casting="unsafe", where=_spread(mask))


def _spread(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return each pixel three times, bool (h, 3 * w)."""
    spread = np.empty((*mask.shape, 3), np.bool_)
    for channel in range(3):
        spread[:, :, channel] = mask
    return spread.reshape(mask.shape[0], -1)


def _eroded(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Return the pixels whose neighbours up to `by` away, along rows and columns, are all in the mask."""
    padded = np.zeros((mask.shape[0] + 2 * by, mask.shape[1] + 2 * by), np.bool_)
    padded[by:-by, by:-by] = mask
    across = padded.copy()
    for step in range(1, by + 1):
        across[:, step:] &= padded[:, :-step]
        across[:, :-step] &= padded[:, step:]
    down = across.copy()
    for step in range(1, by + 1):
        down[step:] &= across[:-step]
        down[:-step] &= across[step:]
    eroded: NDArray[np.bool_] = down[by:-by, by:-by]
    return eroded


def _paler(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    paler: NDArray[np.uint8] = colour // np.uint8(3) + np.uint8(170)
    return paler
