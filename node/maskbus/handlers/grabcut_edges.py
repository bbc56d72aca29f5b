"""Bring a mask of the working copy to full resolution, along the edges of the full picture."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from maskbus.handlers.grabcut_regions import WorkingImage
from maskbus.models.colours import F32

Bool = npt.NDArray[np.bool_]

RADIUS = 2
"""Half side of the guided filter's window, pixels of the working copy."""
EPSILON = 25.0
"""Regularisation of the guided filter, squared grey levels: contrast below its root is not followed."""
TILE = 256
"""Side of the tiles the full picture is worked in, pixels."""


def to_full(image: WorkingImage, cut: Bool) -> Bool:
    """Return (H, W) the mask for `cut`, (h, w).

    Away from its edge the mask is the cut, enlarged. Near it, it is the fast guided filter (He and Sun 2015): a local
    linear model of the cut in the picture's colours, fitted on the working copy and applied to the full picture.
    """
    height, width = image.guide.shape[:2]
    soft = cut.astype(np.float32)
    if cut.shape == (height, width):
        return np.array(cut, np.bool_)
    large = np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    mask = large > 0.5
    if cut.all() or not cut.any():
        return np.asarray(mask, np.bool_)
    before = np.count_nonzero(mask)
    model = _linear_model(image.small.astype(np.float32), soft)
    kernel = np.ones((2 * RADIUS + 1, 2 * RADIUS + 1), np.uint8)
    binary = cut.astype(np.uint8)
    band = cv2.dilate(binary, kernel) != cv2.erode(binary, kernel)
    across, down = image.scale
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            bottom, right = min(top + TILE, height), min(left + TILE, width)
            high = int(top * down), min(int(np.ceil(bottom * down)) + 1, cut.shape[0])
            wide = int(left * across), min(int(np.ceil(right * across)) + 1, cut.shape[1])
            if not band[high[0] : high[1], wide[0] : wide[1]].any():
                continue
            to_small = np.array(
                [[across, 0, (left + 0.5) * across - 0.5], [0, down, (top + 0.5) * down - 0.5]], np.float32
            )
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            size = (right - left, bottom - top)
            local = cv2.warpAffine(model, to_small, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
            near = cv2.warpAffine(band.astype(np.float32), to_small, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
            colours = image.guide[top:bottom, left:right].astype(np.float32)
            filtered = (local[..., :3] * colours).sum(axis=2) + local[..., 3]
            tile = mask[top:bottom, left:right]
            mask[top:bottom, left:right] = np.where(near > 0.5, filtered > 0.5, tile)
    # What is thinner than the window has no edge the filter could follow, and must not be lost.
    return np.asarray(mask if 2 * np.count_nonzero(mask) > before else large > 0.5, np.bool_)


def _linear_model(guide: F32, soft: F32) -> F32:
    """Return (h, w, 4) coefficients of the three colours and the constant, the guided filter's (He et al. 2010)."""
    size = (2 * RADIUS + 1, 2 * RADIUS + 1)

    def mean(values: F32) -> F32:
        return np.asarray(cv2.blur(values, size, borderType=cv2.BORDER_REFLECT), np.float32)

    colour = mean(guide)
    target = mean(soft)
    with_target = mean(guide * soft[..., None]) - colour * target[..., None]
    covariance = np.empty((*soft.shape, 3, 3), np.float32)
    for one in range(3):
        for other in range(one, 3):
            entry = mean(guide[..., one] * guide[..., other]) - colour[..., one] * colour[..., other]
            covariance[..., one, other] = covariance[..., other, one] = entry
    covariance += EPSILON * np.eye(3, dtype=np.float32)
    slope = np.linalg.solve(covariance, with_target[..., None])[..., 0]
    offset = target - (slope * colour).sum(axis=2)
    return mean(np.concatenate([slope, offset[..., None]], axis=2).astype(np.float32))
