"""Many masks in one picture of numbers: 0 is background, i + 1 is mask i.

A pixel names one mask only. Where masks overlap, the smaller one is seen, so what `decode` returns is exact for masks
that do not overlap and has holes in the larger ones otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskbus_wire import geometry
from maskbus_wire.geometry import Window


def encode(masks: NDArray[np.bool_]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the label map (H, W) of bool masks (N, H, W): uint8 up to 255 masks, uint16 up to 65,535.

    Larger masks are painted first; of two equally large ones the later lies on top. ValueError for more masks or
    another kind of array.
    """
    masks = geometry.require_masks(masks)
    return encode_windows([geometry.window(mask) for mask in masks], *masks.shape[1:])


def encode_windows(windows: Sequence[Window], height: int, width: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the same of masks that are cut to their boxes."""
    count = len(windows)
    if count > 65_535:
        raise ValueError(f"a label map holds at most 65,535 masks, not {count}")
    labels: NDArray[Any] = np.zeros((height, width), np.uint8 if count <= 255 else np.uint16)
    areas = np.array([geometry.area(mask) for _, mask in windows], np.int64)
    for index in np.argsort(-areas, kind="stable").tolist():
        (x, y, w, h), mask = windows[index]
        np.copyto(labels[y : y + h, x : x + w], labels.dtype.type(index + 1), where=mask)
    return labels


def decode(labels: NDArray[np.uint8] | NDArray[np.uint16], count: int) -> NDArray[np.bool_]:
    """Return the visible part of each of `count` masks, bool (count, H, W).

    ValueError if the map is not uint8 or uint16 (H, W) or names a mask past `count`, before the masks are allocated.
    """
    if labels.ndim != 2 or labels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"a label map must be uint8 or uint16 (H, W), not {labels.dtype} {labels.shape}")
    if count < 0:
        raise ValueError(f"a label map cannot hold {count} masks")
    highest = int(labels.max()) if labels.size else 0
    if highest > count:
        raise ValueError(f"the label map names mask {highest} of {count}")
    # A count past the type's range would wrap around; no pixel can name those masks.
    named = min(count, int(np.iinfo(labels.dtype).max))
    masks = np.zeros((count, *labels.shape), np.bool_)
    for index in range(named):
        np.equal(labels, labels.dtype.type(index + 1), out=masks[index])
    return masks
