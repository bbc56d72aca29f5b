"""What FastSAM's network has found in one photo, small enough to be kept: boxes, and masks as sums of a few pictures.

A mask is the sum of the network's prototypes, weighted by its own coefficients (Bolya et al. 2019, YOLACT), cut to its
box. It is brought to the photo's size once, inside of its box alone, and only when it is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from maskbus.everything.grid_hits import thresholded
from maskbus.handlers.fastsam_letterbox import Letterbox

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Cut:
    """One mask at the photo's size, inside of its box."""

    x: int
    """Of its first column in the photo."""
    y: int
    mask: npt.NDArray[np.bool_]
    """(height, width)"""
    stability: float
    """IoU of the mask with itself under thresholds of the logits an offset above and below 0."""

    def has(self, pixel: tuple[int, int]) -> bool:
        """Tell whether a pixel of the photo, column and row, is in the mask."""
        column, row = pixel[0] - self.x, pixel[1] - self.y
        inside = 0 <= row < self.mask.shape[0] and 0 <= column < self.mask.shape[1]
        return inside and bool(self.mask[row, column])


@dataclass(frozen=True)
class Proposals:
    """The objects of one photo, the most confident first."""

    height: int
    """Of the photo, pixels."""
    width: int
    boxes: FloatArray
    """(N, 4) x0, y0, x1, y1: edges in pixels of the photo."""
    confidence: FloatArray
    """(N,) 0…1."""
    coefficients: FloatArray
    """(N, M)"""
    prototypes: FloatArray
    """(M, h, w) where they show the photo: what they show of the grey around it is left out."""
    across: tuple[float, float]
    """Column of the prototypes = the first times column of the photo + the second."""
    down: tuple[float, float]
    """The same for rows."""

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(a.nbytes for a in (self.boxes, self.confidence, self.coefficients, self.prototypes))

    def window(self, which: int) -> tuple[int, int, int, int]:
        """Return x, y, width, height of the pixels whose top left corner is in a box, as the authors cut masks."""
        x0, y0, x1, y1 = (math.ceil(edge) for edge in self.boxes[which].tolist())
        return x0, y0, max(0, x1 - x0), max(0, y1 - y0)

    def small_logits(self, which: int) -> FloatArray:
        """Return a mask's logits as the prototypes have them, (h, w), not cut to its box."""
        count = len(self.prototypes)
        flat = self.coefficients[which] @ self.prototypes.reshape(count, -1)
        return np.asarray(flat.reshape(self.prototypes.shape[1:]), np.float32)

    def cut(self, which: int, offset: float) -> Cut:
        """Return a mask at the photo's size.

        Args:
            which: Index of the object.
            offset: By how much the threshold of the logits is shifted to find the stability score.
        """
        import cv2

        x, y, width, height = self.window(which)
        if not width or not height:
            return Cut(x, y, np.zeros((0, 0), np.bool_), 0.0)
        (sx, tx), (sy, ty) = self.across, self.down
        to_prototypes = np.array([[sx, 0, sx * x + tx], [0, sy, sy * y + ty]])
        logits = cv2.warpAffine(
            self.small_logits(which),
            to_prototypes,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        mask, stability = thresholded(np.asarray(logits, np.float32).reshape(height, width), offset)
        return Cut(x, y, mask, stability)

    def logits_at(self, pixels: npt.NDArray[np.intp], which: npt.NDArray[np.intp]) -> FloatArray:
        """Return the logits, (len(which), P), of some masks at pixels of the photo, (P, 2) column and row.

        They are not cut to the boxes.
        """
        rows, columns = self.prototypes.shape[1:]
        x0, x1, fx = _between(pixels[:, 0] * self.across[0] + self.across[1], columns)
        y0, y1, fy = _between(pixels[:, 1] * self.down[0] + self.down[1], rows)
        seen = self.prototypes
        above = seen[:, y0, x0] * (1 - fx) + seen[:, y0, x1] * fx
        below = seen[:, y1, x0] * (1 - fx) + seen[:, y1, x1] * fx
        return np.asarray(self.coefficients[which] @ (above * (1 - fy) + below * fy), np.float32)

    def share(self, which: int) -> float:
        """Return about which part of the photo a mask covers, 0…1."""
        x, y, width, height = self.window(which)
        rows, columns = self.prototypes.shape[1:]
        (sx, tx), (sy, ty) = self.across, self.down
        left, right = (min(max(round(sx * edge + tx), 0), columns) for edge in (x, x + width))
        top, bottom = (min(max(round(sy * edge + ty), 0), rows) for edge in (y, y + height))
        inside = np.count_nonzero(self.small_logits(which)[top:bottom, left:right] > 0)
        return float(inside / (rows * columns))


def _between(
    places: npt.NDArray[np.floating[Any]], size: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
    """Return the cells on both sides of places, and how far towards the second one they are."""
    inside = places.clip(0, size - 1)
    first = inside.astype(np.intp)
    return first, np.minimum(first + 1, size - 1), np.asarray(inside - first, np.float32)


def proposals(
    predictions: FloatArray, prototypes: FloatArray, frame: Letterbox, *, conf: float, iou: float, max_det: int
) -> Proposals:
    """Return the objects among the network's answers, without duplicates.

    Args:
        predictions: (5 + M, N) centre x and y, width, height in pixels of the input; confidence; M coefficients.
        prototypes: (M, h, w) over the whole input.
        frame: How the photo lies in the input.
        conf: The least confidence, exclusive.
        iou: Of two boxes with a greater IoU, the more confident stays.
        max_det: So many at most.
    """
    likely = predictions[:, predictions[4] > conf]
    likely = likely[:, np.isfinite(likely).all(0)]
    likely = likely[:, np.argsort(-likely[4], kind="stable")]
    middle, half = likely[:2], likely[2:4] / 2
    boxes = np.concatenate([middle - half, middle + half]).T
    kept = distinct(boxes, iou, max_det)
    placed = frame.boxes(boxes[kept])
    there = (placed[:, 2:] > placed[:, :2]).all(1)  # some lie in the grey alone
    kept, placed = kept[there], placed[there]

    rows, columns = prototypes.shape[1:]
    (height, width), (top, left) = frame.scaled, frame.corner
    down, y0, y1 = _axis(frame.height, height, top, rows / frame.input_height, rows)
    across, x0, x1 = _axis(frame.width, width, left, columns / frame.input_width, columns)
    return Proposals(
        height=frame.height,
        width=frame.width,
        boxes=placed,
        confidence=likely[4, kept].clip(0, 1).astype(np.float32),
        coefficients=np.ascontiguousarray(likely[5:, kept].T, np.float32),
        prototypes=np.array(prototypes[:, y0:y1, x0:x1], np.float32),
        across=across,
        down=down,
    )


def distinct(boxes: FloatArray, threshold: float, most: int) -> npt.NDArray[np.intp]:
    """Return the boxes, (N, 4) in order of preference, whose IoU with none preferred is above the threshold."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = np.arange(len(boxes))
    kept: list[int] = []
    while len(left) and len(kept) < most:
        best, left = left[0], left[1:]
        kept.append(int(best))
        corners = np.maximum(boxes[best, :2], boxes[left, :2]), np.minimum(boxes[best, 2:], boxes[left, 2:])
        both = (corners[1] - corners[0]).clip(0).prod(1)
        left = left[both <= threshold * (areas[best] + areas[left] - both)]
    return np.array(kept, np.intp)


def _axis(photo: int, scaled: int, first: int, share: float, cells: int) -> tuple[tuple[float, float], int, int]:
    """Return how one axis of the photo lies on the prototypes, and the cells, first and last + 1, that show it.

    Args:
        photo: Pixels of the photo.
        scaled: Pixels of the input that they take.
        first: The first of them.
        share: Cells a pixel of the input.
        cells: Of the prototypes.
    """
    begin = math.floor(first * share)
    end = min(cells, max(begin + 1, math.ceil((first + scaled) * share)))
    slope = scaled / photo * share
    # Pixels and cells have their centres half a step from their edges.
    return (slope, slope / 2 + first * share - 0.5 - begin), begin, end
