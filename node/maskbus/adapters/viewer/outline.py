"""Masks as outlines: what a page draws quickest, at any size.

The masks come as run lengths, which cost the node next to nothing; they are traced here, once for all pages. (Polygons
from the node would take it about ten times as long, as those keep to the pixel; these only look right.)
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskbus_client.results import Result
from maskbus_wire import geometry, overlay

MOST_MASKS = 256
"""Masks of one picture that are drawn, the first ones."""
MOST_NUMBERS = 60_000
"""Coordinates of one picture, all rings together."""
_COLOURS = 256


def colour(index: int) -> str:
    """Return a colour as CSS has it; objects, which are counted from 1, have the same ones as in other overlays."""
    return _colours()[index % _COLOURS]


def describe(result: Result, tolerance: float) -> list[dict[str, Any]]:
    """Return what a page needs to know of each mask: its rings, its colour, what it is.

    Args:
        result: With masks that pixels can be made of.
        tolerance: By how many pixels of the frame a line may be off.

    Raises:
        MaskbusError: if the masks cannot be read.
    """
    described: list[dict[str, Any]] = []
    left = MOST_NUMBERS
    for index, (mask, told) in enumerate(zip(result.masks[:MOST_MASKS], result.reply.masks, strict=False)):
        rings = trace(mask.to_array(), tolerance, left)
        left -= sum(map(len, rings))
        described.append(
            {
                "object": told.object_id,
                "label": told.label,
                "present": told.present is not False,
                "iou": round(told.predicted_iou, 3),
                "area": told.area,
                "colour": colour(index if told.object_id is None else told.object_id - 1),
                "rings": rings,
            }
        )
    return described


def trace(mask: NDArray[np.bool_], tolerance: float, most: int = MOST_NUMBERS) -> list[list[int]]:
    """Return the rings x0, y0, x1, y1, … of a bool mask (H, W), holes among them, to be filled by the even-odd rule.

    A pixel counts as its centre. Where they would be more than `most` numbers they are coarser.
    """
    import cv2

    (left, top, width, _), window = geometry.window(mask)
    if not width:
        return []
    found, _ = cv2.findContours(
        np.ascontiguousarray(window).view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(left, top)
    )
    simpler = [cv2.approxPolyDP(ring, tolerance, True) for ring in found]
    while sum(ring.size for ring in simpler) > most:
        # Noise: what is coarser than a pixel looks no different, and what is smaller is not missed.
        tolerance *= 2
        simpler = [cv2.approxPolyDP(ring, tolerance, True) for ring in simpler if len(ring) > 2]
    return [ring.ravel().tolist() for ring in simpler]


@functools.cache
def _colours() -> list[str]:
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in overlay.palette(_COLOURS).tolist()]
