"""Masks as COCO polygons: rings [x0, y0, x1, y1, …] in continuous coordinates; pixel (row i, column j) covers
[j, j + 1] x [i, i + 1], so the picture's corners are (0, 0) and (W, H).

A point is inside a ring by the even-odd rule, and inside the mask if it is inside any ring; a pixel is in when its
centre is. COCO knows no holes, so each hole is joined to the ring around it by a bridge: a cut of no width, walked
there and back. Every ring has three points or more (pycocotools takes a list of four numbers for a box). An empty mask
is an empty list, which pycocotools itself does not read.

`encode` walks the cracks between object and background, which gives the mask back exactly, and then leaves out points
(Douglas-Peucker) as long as both `decode` and the rasteriser of pycocotools, which works on a grid of fifths of a
pixel, still give it back with an intersection over union of 0.99. Thin or small pieces keep all their points. Pieces
that touch at a corner share a ring. Where a largest error is named, it is the only limit.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskbus_wire import rle
from maskbus_wire.douglas_peucker import simplified
from maskbus_wire.geometry import bbox, require_mask, require_sides
from maskbus_wire.outline import Points, Ring, trace

_LEAST_IOU = 0.99
# How far, in pixels, a boundary may move: tried in this order; the exact one is what is left when none will do.
_TOLERANCES = (1.0, 0.6)
# … and never further than this part of a piece's mean thickness, so that a large piece cannot hide a ruined small one.
_PART_OF_THICKNESS = 0.1
# Below this a staircase of single pixels keeps all its corners.
_LEAST_TOLERANCE = 0.4
# No coordinate may lie further out; it keeps the arithmetic far from its limits.
_FARTHEST = 2.0**24
# How many crossings of column centres are worked out at a time.
_AT_A_TIME = 1 << 20


def encode(mask: NDArray[np.bool_], *, most: int = 0, max_error: float = 0.0) -> list[list[float]]:
    """Return the rings of a bool mask (H, W); an empty mask has none. Needs OpenCV.

    Rasterised again by `decode`, or by pycocotools as the union of the rings, they have an intersection over union of
    0.99 or more with the mask. ValueError if it is no bool mask (H, W).

    Args:
        mask: The mask.
        most: If not 0, at most so many rings, those with the most pixels, and the largest first.
        max_error: If not 0, points are left out as long as no point of the outline lies further than so many pixels
            from its ring, nor any of the ring from the outline, bridges aside. Then the mask that comes back may differ
            by as much, but every piece and every hole still has an area.
    """
    left, top, width, height = bbox(require_mask(mask))
    if not width:
        return []
    window = mask[top : top + height, left : left + width]
    exact = trace(window)
    if most:
        exact = sorted(exact, key=lambda ring: -ring.area)[:most]
    rings = simplified(exact, max_error) if max_error else _nearly_exact(exact, height, width)
    offset = np.array([left, top])
    return [(points + offset).astype(np.float64).ravel().tolist() for points in rings]


def _nearly_exact(exact: Sequence[Ring], height: int, width: int) -> list[Points]:
    """Return rings with as few points as the least intersection over union allows."""
    rings = [ring.points for ring in exact]
    toggles = _crossings(rings, height, width, fifths=False)
    for tolerance in _TOLERANCES:
        simpler = [_simplify(ring.points, np.flatnonzero(ring.ends), tolerance) for ring in exact]
        if all(_iou(_crossings(simpler, height, width, fifths), toggles) >= _LEAST_IOU for fifths in (False, True)):
            return simpler
    return rings


def decode(rings: Sequence[Sequence[float]], height: int, width: int) -> NDArray[np.bool_]:
    """Return the bool mask (height, width) of the union of the rings; what lies outside the picture is cut off.

    ValueError if a ring is not a flat list of an even count of 6 or more finite numbers, lies absurdly far out, or if
    the rings cross more column centres than the exact outline of any mask of that size (or a million, for a small one):
    the work stays bounded by the picture.
    """
    require_sides(height, width)
    points = [_checked(ring) for ring in rings]
    return rle.fill(_crossings(points, height, width, fifths=False), height, width)


def _checked(ring: Sequence[float]) -> NDArray[np.float64]:
    try:
        flat = np.asarray(ring)
    except ValueError:
        raise ValueError("a polygon ring must be a flat list of numbers") from None
    if flat.ndim != 1 or flat.dtype.kind not in "iuf":
        raise ValueError("a polygon ring must be a flat list of numbers")
    if flat.size < 6 or flat.size % 2:
        raise ValueError(f"a polygon ring takes an even count of 6 or more numbers, not {flat.size}")
    points = flat.astype(np.float64).reshape(-1, 2)
    if not np.all(np.abs(points) <= _FARTHEST):
        raise ValueError("a polygon ring holds a coordinate that is not finite or lies too far out")
    return points


def _crossings(
    rings: Sequence[NDArray[np.float64] | Points], height: int, width: int, fifths: bool
) -> NDArray[np.int64]:
    """Return, ascending, the column-major positions at which the union of the rings begins and ends.

    `fifths` rounds as `rleFrPoly` of cocoapi's maskApi.c does, which draws each edge on a grid of fifths of a pixel.
    """
    if not rings:
        return np.empty(0, np.int64)
    starts = np.concatenate(rings).astype(np.float64)
    sizes = np.array([len(ring) for ring in rings])
    if fifths:
        starts = np.floor(starts * 5 + 0.5)
    following = np.arange(1, len(starts) + 1)
    following[np.cumsum(sizes) - 1] = np.cumsum(sizes) - sizes
    ends = starts[following]
    # Every edge is taken from left to right: a bridge must cross each column at the same height there and back.
    swap = (starts[:, 0] > ends[:, 0])[:, np.newaxis]
    x0, y0 = np.where(swap, ends, starts).T
    x1, y1 = np.where(swap, starts, ends).T
    unit, centre = (5, 2.5) if fifths else (1, 0.5)
    first, last = (np.clip(np.ceil((x - centre) / unit), 0, width).astype(np.int64) for x in (x0, x1))
    totals = np.cumsum(last - first)
    # The exact outline of a mask has at most (H + 1) * W horizontal cracks, and its bridges lie in separate runs. What
    # is worked out at one time is never too much: few pixels may well lie under many edges.
    if totals[-1] > max(3 * (height + 1) * width, _AT_A_TIME):
        raise ValueError(f"the polygon crosses more than a mask of {height} x {width} pixels can need")
    ring_of_edge = np.repeat(np.arange(len(rings)), sizes)
    # One number sorts by ring and then by position in it.
    span = height * width + 1
    keys = np.empty(totals[-1], np.int64)
    done = edge = 0
    while done < keys.size:
        stop = int(np.searchsorted(totals, done + _AT_A_TIME)) + 1
        counts = (last - first)[edge:stop]
        edges = np.repeat(np.arange(edge, edge + counts.size), counts)
        columns = np.arange(edges.size) - np.repeat(np.cumsum(counts) - counts - first[edge:stop], counts)
        height_at = _heights_in_fifths if fifths else _heights
        crossed = height_at(columns, x0[edges], y0[edges], x1[edges], y1[edges])
        rows = np.ceil(np.clip(crossed - 0.5, 0, height)).astype(np.int64)
        keys[done : done + edges.size] = ring_of_edge[edges] * span + columns * height + rows
        done, edge = done + edges.size, stop
    keys.sort()
    return _union((keys % span)[0::2], (keys % span)[1::2])


def _heights(
    columns: NDArray[np.int64],
    x0: NDArray[np.float64],
    y0: NDArray[np.float64],
    x1: NDArray[np.float64],
    y1: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the y at which each edge crosses the centre of its column."""
    return y0 + (columns + 0.5 - x0) * ((y1 - y0) / (x1 - x0))


def _heights_in_fifths(
    columns: NDArray[np.int64],
    x0: NDArray[np.float64],
    y0: NDArray[np.float64],
    x1: NDArray[np.float64],
    y1: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the y at which pycocotools sees each edge cross the centre of its column, the edges given in fifths."""
    dx, dy = x1 - x0, np.abs(y1 - y0)
    # The crossing is the step between grid columns `before` and `before` + 1; the upper of its two points counts.
    before = columns * 5 + 2
    slope = (y1 - y0) / dx
    near, far = (np.floor(y0 + slope * (before + step - x0) + 0.5) for step in (0, 1))
    # A steep edge is drawn row by row from its top, so the step lies where the row's rounded x passes the middle.
    steep = np.maximum(dy, 1)
    falling = np.ceil((before + 0.5 - x0) / (dx / steep)) - 1 + y0
    rising = np.floor((before + 0.5 - x1) / (-dx / steep)) + y1
    crossed = np.where(dx >= dy, np.minimum(near, far), np.where(y0 < y1, falling, rising))
    return np.asarray((crossed + 0.5) / 5, np.float64)


def _union(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bounds, ascending, of the union of the intervals [start, end)."""
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    if not starts.size:
        return starts
    apart = starts[1:] > ends[:-1]
    bounds = np.empty((1 + np.count_nonzero(apart), 2), np.int64)
    bounds[:, 0] = starts[np.concatenate(([True], apart))]
    bounds[:, 1] = ends[np.concatenate((apart, [True]))]
    return bounds.ravel()


def _iou(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Return the intersection over union of two masks given by positions in pairs."""
    area = sum(int((bounds[1::2] - bounds[0::2]).sum()) for bounds in (first, second))
    both = np.sort(np.concatenate((first, second)))
    differing = int((both[1::2] - both[0::2]).sum())
    return (area - differing) / (area + differing)


def _simplify(points: Points, fixed: NDArray[np.intp], tolerance: float) -> Points:
    """Leave out points that lie within the tolerance of the line between those kept; `fixed` ones stay."""
    if len(points) <= 8:
        return points
    import cv2

    x, y = points.T.astype(np.int64)
    x_next, y_next = np.roll(x, -1), np.roll(y, -1)
    area = abs(int((x * y_next - x_next * y).sum())) / 2
    length = int((np.abs(x_next - x) + np.abs(y_next - y)).sum())
    tolerance = min(tolerance, _PART_OF_THICKNESS * 2 * area / length)
    if tolerance < _LEAST_TOLERANCE:
        return points
    if not fixed.size:
        kept = cv2.approxPolyDP(points, tolerance, True).reshape(-1, 2)
    else:
        # Between two ends of bridges the outline is an open line of its own.
        turned = np.roll(points, -fixed[0], axis=0)
        stops = [*(fixed - fixed[0]).tolist(), len(points)]
        closed = np.concatenate((turned, turned[:1]))
        parts = [closed[a : b + 1] for a, b in itertools.pairwise(stops)]
        kept = np.concatenate(
            [p[:1] if len(p) == 2 else cv2.approxPolyDP(p, tolerance, False).reshape(-1, 2)[:-1] for p in parts]
        )
    return np.asarray(kept, np.int32) if len(kept) >= 3 else points
