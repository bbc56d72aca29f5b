"""Many masks in one picture of numbers: 0 is background, i + 1 is mask i.

A pixel names one mask only. Where masks overlap, the smaller one is seen, so what `decode` returns is exact for masks
that do not overlap and has holes in the larger ones otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskbus_wire.geometry import area, bbox, require_masks


def encode(masks: NDArray[np.bool_]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the label map (H, W) of bool masks (N, H, W): uint8 up to 255 masks, uint16 up to 65,535.

    Larger masks are painted first; of two equally large ones the later lies on top. ValueError for more masks or
    another kind of array.
    """
    masks = require_masks(masks)
    count = masks.shape[0]
    if count > 65_535:
        raise ValueError(f"a label map holds at most 65,535 masks, not {count}")
    labels: NDArray[Any] = np.zeros(masks.shape[1:], np.uint8 if count <= 255 else np.uint16)
    areas = np.array([area(mask) for mask in masks], np.int64)
    for index in np.argsort(-areas, kind="stable").tolist():
        x, y, w, h = bbox(masks[index])
        window = np.s_[y : y + h, x : x + w]
        np.copyto(labels[window], labels.dtype.type(index + 1), where=masks[index][window])
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
