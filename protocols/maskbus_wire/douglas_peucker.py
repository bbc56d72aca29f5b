"""Leave out points of outlines, within an error (Douglas and Peucker 1973).

Of a stretch of the outline only its ends are kept if all other points lie within the error of the segment between them;
else the farthest one is kept as well, and both parts are looked at in turn. The distance is to the segment, not to the
line through it: so all of the stretch lies within the error of the segment, and as the stretch runs from one end to the
other, all of the segment lies within the error of the stretch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskbus_wire.outline import Points, Ring

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def simplified(rings: Sequence[Ring], max_error: float) -> list[Points]:
    """Return the rings with fewer points, none of them further than `max_error` pixels from where it was.

    Ends of bridges stay, so that each is walked there and back on one line. Of each outline three points that make a
    triangle stay, so that no piece and no hole vanishes.
    """
    if not rings:
        return []
    points, ends, loops = (np.concatenate(values) for values in zip(*rings, strict=True))
    # Loop by loop, each from one of its kept points round to the same again.
    order = np.argsort(loops, kind="stable")
    starts = np.flatnonzero(np.diff(loops[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    first = _first_of_each(np.flatnonzero(ends[order]), starts)
    begin = np.repeat(np.where(first < starts + sizes, first, starts) - starts, sizes + 1)
    heads = starts + np.arange(len(starts))
    along = np.arange(len(order) + len(starts)) - np.repeat(heads, sizes + 1)
    turned = order[np.repeat(starts, sizes + 1) + (along + begin) % np.repeat(sizes, sizes + 1)]

    kept = ends[turned]
    kept[heads] = kept[heads + sizes] = True
    path = points[turned].astype(np.float64)
    _keep_triangles(path, kept, heads, sizes)
    _keep_far(path, kept, max_error)
    stays = np.zeros(len(points), np.bool_)
    stays[turned[kept]] = True
    bounds = np.cumsum([len(ring.points) for ring in rings])[:-1]
    return [ring.points[keep] for ring, keep in zip(rings, np.split(stays, bounds), strict=True)]


def _first_of_each(chosen: Indices, starts: Indices) -> Indices:
    """Return the first chosen position that is not before each start; one beyond all where there is none."""
    beyond = np.append(chosen, np.iinfo(np.intp).max)
    return beyond[np.searchsorted(chosen, starts)]


def _keep_triangles(path: Floats, kept: NDArray[np.bool_], heads: Indices, sizes: Indices) -> None:
    """Keep the point that is farthest from the first of each loop, and the one farthest from the line through both."""
    from_head = path - np.repeat(path[heads], sizes + 1, axis=0)
    second = _largest(np.square(from_head).sum(axis=1), heads)
    axis = np.repeat(from_head[second], sizes + 1, axis=0)
    third = _largest(np.abs(axis[:, 0] * from_head[:, 1] - axis[:, 1] * from_head[:, 0]), heads)
    kept[second] = kept[third] = True


def _keep_far(path: Floats, kept: NDArray[np.bool_], max_error: float) -> None:
    """Keep what it takes; all stretches are looked at at once, and those that were split once more."""
    rest = np.flatnonzero(~kept)
    while rest.size:
        ends = np.flatnonzero(kept)
        after = np.searchsorted(ends, rest)
        distances = _squared_distances(path[rest], path[ends[after - 1]], path[ends[after]])
        heads = np.flatnonzero(np.diff(after, prepend=-1))
        far = _largest(distances, heads)
        far = far[distances[far] > max_error**2]
        kept[rest[far]] = True
        split = np.zeros(len(ends) + 1, np.bool_)
        split[after[far]] = True
        going_on = split[after]
        going_on[far] = False
        rest = rest[going_on]


def _squared_distances(points: Floats, a: Floats, b: Floats) -> Floats:
    """Return how far each point is from the segment between its two others, squared."""
    x, y = (points - a).T
    dx, dy = (b - a).T
    length = np.maximum(dx * dx + dy * dy, 1)  # whole numbers: 1 only replaces 0
    share = np.clip((x * dx + y * dy) / length, 0, 1)
    return np.asarray((x - share * dx) ** 2 + (y - share * dy) ** 2, np.float64)


def _largest(values: Floats, heads: Indices) -> Indices:
    """Return the position of the first largest value in each part, which begin at `heads` and end at the next."""
    sizes = np.diff(heads, append=len(values))
    most = np.flatnonzero(values == np.repeat(np.maximum.reduceat(values, heads), sizes))
    return most[np.searchsorted(most, heads)]
