"""Smooth outlines.

The mask is blurred by a Gaussian, and what is above one half is the new mask. A straight edge stays where it is;
corners are rounded inwards and outwards alike. So areas neither grow nor shrink, but for less than πσ² pixels that a
part loses, and a hole, for being round. Blurring and thresholding again and again moves an outline by its curvature
(Merriman, Bence, Osher 1992); this is one such step.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
_SMALL = 8
"""Up to so many pixels, growing by a disc is quicker than distances are; it comes to the same."""

Sides = tuple[bool, bool, bool, bool]
"""Of an array's left, top, right and bottom."""


def smoothed(mask: BoolArray, sigma: float, cut: Sides = (False, False, False, False)) -> BoolArray:
    """Return a mask (h, w) with its outline smoothed over `sigma` pixels to either side.

    The outline moves by no more than twice that: each pixel of the mask has one so near that is in the new mask, too,
    and the same holds for the background. What is too thin for it, and reaches further than that from all that stays,
    stays as it is, in one piece: a wire, a small part, a gap, a hole. One that is nearer to the rest may go.

    Args:
        mask: Around it is background, except where it is cut off by the image's border. The new mask is within its box.
        sigma: The Gaussian's standard deviation in pixels. It ends at two of them.
        cut: Where that border is. The mask is taken to go on beyond it as it is there.
    """
    import cv2

    if mask.size == 0:
        return mask
    left, top, right, bottom = (int(not side) for side in cut)
    padded = np.pad(mask, ((top, bottom), (left, right)))
    reach = 2 * sigma
    size = 2 * math.ceil(reach) + 1
    blurred = cv2.GaussianBlur(
        padded.astype(np.float32), (size, size), sigma, sigmaY=sigma, borderType=cv2.BORDER_REPLICATE
    )
    smooth: BoolArray = blurred > 0.5
    kept = smooth & padded
    lost = _far(padded & ~smooth, kept, reach)
    gained = _far(smooth & ~padded, ~(smooth | padded), reach)
    if lost is not None:
        smooth |= lost
    if gained is not None:
        smooth &= ~gained
    height, width = mask.shape
    return smooth[top : top + height, left : left + width]


def _far(changed: BoolArray, unchanged: BoolArray, reach: float) -> BoolArray | None:
    """Return those pieces of what has changed that lie, in part, further than `reach` from what has not.

    None where there are no such pieces.
    """
    import cv2

    far = changed & ~cv2.dilate(unchanged.view(np.uint8), _within(reach)).view(np.bool_)
    if reach > _SMALL:
        far = _really_far(far, unchanged, reach)
    if not far.any():
        return None
    _, labels = cv2.connectedComponents(changed.view(np.uint8), connectivity=8)
    there = np.zeros(int(labels.max()) + 1, np.bool_)
    there[labels[far]] = True
    pieces: BoolArray = there[labels]
    return pieces


def _within(reach: float) -> npt.NDArray[np.uint8]:
    """Return what to grow by: a disc, if it is small, else the square inside of it, which is quicker to grow by."""
    if reach > _SMALL:
        side = 2 * math.floor(reach / math.sqrt(2)) + 1
        return np.ones((side, side), np.uint8)
    offsets = np.arange(-math.floor(reach), math.floor(reach) + 1)
    return (offsets[:, None] ** 2 + offsets**2 <= reach**2).astype(np.uint8)


def _really_far(maybe: BoolArray, unchanged: BoolArray, reach: float) -> BoolArray:
    """Return those pixels that are further than `reach` from all that is unchanged. It costs what lies around them."""
    import cv2

    far = np.zeros_like(maybe)
    x, y, w, h = cv2.boundingRect(maybe.view(np.uint8))
    if not w:
        return far
    margin = math.ceil(reach)
    around = np.s_[max(0, y - margin) : y + h + margin, max(0, x - margin) : x + w + margin]
    near = unchanged[around]
    if near.any():
        distance = cv2.distanceTransform((~near).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        far[around] = maybe[around] & (distance > reach)
    else:
        far[around] = maybe[around]
    return far
