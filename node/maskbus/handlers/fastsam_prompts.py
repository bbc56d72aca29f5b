"""Which of FastSAM's objects a prompt means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskbus.handlers.fastsam_proposals import Cut, FloatArray, Proposals
from maskbus.interfaces import Job

ALTERNATIVES = 3
"""The most masks that answer the points of one prompt."""
SAME = 0.9
"""Two masks with a higher IoU count as one."""
STABILITY_OFFSET = 1.0


@dataclass(frozen=True)
class Meant:
    """One answer."""

    cut: Cut
    predicted_iou: float


def by_points(
    found: Proposals, points: FloatArray, labels: npt.NDArray[np.int8], job: Job, *, several: bool
) -> list[Meant]:
    """Return the objects that have all points on the object and none on the background, the best first.

    The authors unite all masks that have any of the points. Then a click on a cup answers the cup and the table, where
    the network takes the table for all that stands on it. Here the masks stay apart. Their order is that of confidence,
    less the part of the photo that a mask covers: of a thing on a thing the smaller is meant, unless it is much less
    sure. No mask is trusted more than one before it.

    Args:
        found: The objects of the photo.
        points: (N, 2) x, y in pixels of the photo.
        labels: (N,) 1 = object, 0 = background.
        job: Is asked between masks.
        several: Up to `ALTERNATIVES` that differ, else one. None at all where no mask has the points.
    """
    pixels = _pixels(found, points)
    likely = _having(found, pixels, labels)
    worth: list[float] = []
    for which in likely.tolist():
        job.check()
        worth.append(float(found.confidence[which]) * (1 - found.share(which)))
    meant: list[Meant] = []
    for at in np.argsort(-np.array(worth), kind="stable"):
        job.check()
        cut = found.cut(int(likely[at]), STABILITY_OFFSET)
        if not _obeys(cut, pixels, labels) or any(_overlap(cut, one.cut) > SAME for one in meant):
            continue
        trust = float(found.confidence[likely[at]])
        meant.append(Meant(cut, min(trust, meant[-1].predicted_iou) if meant else trust))
        if len(meant) == (ALTERNATIVES if several else 1):
            break
    return meant


def by_box(
    found: Proposals, box: FloatArray, points: FloatArray, labels: npt.NDArray[np.int8], job: Job
) -> Meant | None:
    """Return the object whose box has the highest IoU with a box, or None where none overlaps it.

    The authors compare masks with the box; but who draws a box draws it around a thing, and few things fill theirs.
    `predicted_iou` is the confidence times the IoU of the boxes, as a mask is hardly better than its box.

    Args:
        found: The objects of the photo.
        box: (4,) x0, y0, x1, y1: centres of pixels of the photo.
        points: (N, 2) x, y: what the mask must have, or must not have.
        labels: (N,) as for `by_points`.
        job: Is asked between masks.
    """
    asked = box + np.array([0, 0, 1, 1], np.float32)  # from the centres of pixels to their outer edges
    corners = np.maximum(asked[:2], found.boxes[:, :2]), np.minimum(asked[2:], found.boxes[:, 2:])
    both = (corners[1] - corners[0]).clip(0).prod(1)
    areas = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(1)
    iou = both / ((asked[2:] - asked[:2]).prod() + areas - both)
    pixels = _pixels(found, points)
    for which in np.argsort(-iou, kind="stable").tolist():
        if iou[which] <= 0:
            break
        job.check()
        cut = found.cut(which, STABILITY_OFFSET)
        if cut.mask.any() and _obeys(cut, pixels, labels):
            return Meant(cut, float(found.confidence[which] * iou[which]))
    return None


def _pixels(found: Proposals, points: FloatArray) -> npt.NDArray[np.intp]:
    """Return the pixels, (N, 2) column and row, that points lie in."""
    return np.rint(points).astype(np.intp).clip(0, [found.width - 1, found.height - 1])


def _having(found: Proposals, pixels: npt.NDArray[np.intp], labels: npt.NDArray[np.int8]) -> npt.NDArray[np.intp]:
    """Return the objects that seem to have all pixels of the object: what costs little is looked at first."""
    wanted = pixels[labels == 1]
    first = np.ceil(found.boxes[:, None, :2]) <= wanted
    last = wanted < np.ceil(found.boxes[:, None, 2:])
    likely = np.flatnonzero((first & last).all((1, 2)))
    return likely[(found.logits_at(wanted, likely) > 0).all(1)]


def _obeys(cut: Cut, pixels: npt.NDArray[np.intp], labels: npt.NDArray[np.int8]) -> bool:
    return all(cut.has((x, y)) == (label == 1) for (x, y), label in zip(pixels.tolist(), labels.tolist(), strict=True))


def _overlap(one: Cut, other: Cut) -> float:
    """Return the IoU of two masks."""
    rows = slice(max(one.y, other.y), min(one.y + one.mask.shape[0], other.y + other.mask.shape[0]))
    columns = slice(max(one.x, other.x), min(one.x + one.mask.shape[1], other.x + other.mask.shape[1]))
    both = 0
    if rows.start < rows.stop and columns.start < columns.stop:
        parts = [
            cut.mask[rows.start - cut.y : rows.stop - cut.y, columns.start - cut.x : columns.stop - cut.x]
            for cut in (one, other)
        ]
        both = int(np.count_nonzero(parts[0] & parts[1]))
    either = np.count_nonzero(one.mask) + np.count_nonzero(other.mask) - both
    return float(both / either) if either else 1.0
