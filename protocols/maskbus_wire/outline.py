"""Trace the exact outline of a mask: the cracks between object and background, holes joined to the ring around."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.int32]


class Ring(NamedTuple):
    """One piece of a mask, with its holes."""

    points: Points
    """(n, 2) x, y of its corners, in order."""
    ends: NDArray[np.bool_]
    """(n,) which of them are ends of bridges."""
    loops: NDArray[np.int64]
    """(n,) which outline each of them lies on: the piece's own, or that of one of its holes."""

    @property
    def area(self) -> int:
        """Pixels of the piece, without its holes: they are walked the other way round."""
        x, y = self.points.T.astype(np.int64)
        return abs(int((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())) // 2


def trace(window: NDArray[np.bool_]) -> list[Ring]:
    """Return the exact rings of a bool mask (h, w) that has a True pixel.

    The corners of the outline are found all at once. In each row of corners, sorted, the first and second are joined by
    an edge, the third and fourth, …, and likewise in each column; where two pieces touch at a corner there are two
    corners at one place. Edges run with the object on their right.
    """
    padded = np.pad(window, 1).view(np.uint8)
    stride = padded.shape[1] - 1
    side = padded[:, 1:] ^ padded[:, :-1]
    above, below = side[:-1], side[1:]
    spots = np.flatnonzero((above ^ below) | (above & (padded[:-1, :-1] ^ padded[1:, :-1])))
    rows, columns = np.divmod(spots, stride)
    touching = above[rows, columns] & below[rows, columns]
    nodes = np.repeat(np.arange(spots.size), touching + 1)
    y, x = rows[nodes], columns[nodes]
    second = np.concatenate(([False], nodes[1:] == nodes[:-1]))
    southwest, southeast = padded[y + 1, x] == 1, padded[y + 1, x + 1] == 1

    # Of two corners at one place, the first ends the edge from the left. Where the object lies northwest and southeast,
    # it begins the edge downwards too; elsewhere it ends the one from above. So touching pieces share a ring.
    lower = (touching[nodes] == 1) & (second != southeast)
    in_columns = np.argsort((x * padded.shape[0] + y) * 2 + lower)
    tops, bottoms = in_columns[0::2], in_columns[1::2]
    following = np.empty(nodes.size, np.int64)
    lefts = np.arange(0, nodes.size, 2)
    to_right = southeast[lefts]
    following[np.where(to_right, lefts, lefts + 1)] = np.where(to_right, lefts + 1, lefts)
    downwards = southwest[tops]
    following[np.where(downwards, tops, bottoms)] = np.where(downwards, bottoms, tops)

    # Corners are numbered row by row, so a ring is met first at the leftmost corner of its top: in the object, or not.
    rings = _walk(following, range(nodes.size))
    loops = np.empty(nodes.size, np.int64)
    for number, ring in enumerate(rings):
        loops[ring] = number
    is_hole = [not southeast[ring[0]] for ring in rings]
    holes = np.array([ring[0] for ring, hole in zip(rings, is_hole, strict=True) if hole], np.int64)
    if holes.size:
        # A bridge runs from there to the left through the object to the crack before it. That crack belongs to the
        # outer ring, or to a hole whose own first corner comes earlier: so every hole is joined to an outer ring.
        cracks = np.flatnonzero(side)
        from_x, from_y = x[holes], y[holes]
        to_x = cracks[np.searchsorted(cracks, (from_y + 1) * stride + from_x) - 1] % stride
        edge_keys = x[tops] * padded.shape[0] + y[tops]
        edges = np.searchsorted(edge_keys, to_x * padded.shape[0] + from_y, side="right") - 1
        # Such an edge has the object on its right in the picture: it runs upwards, and lower bridges come first.
        order = np.lexsort((-from_y, edges))
        holes, edges, to_x, from_x, from_y = (values[order] for values in (holes, edges, to_x, from_x, from_y))
        # Three new corners a bridge: where it leaves, the hole's first corner once more, and where it is back.
        leave, again, back = (nodes.size + holes.size * k + np.arange(holes.size) for k in range(3))
        same_edge = edges[1:] == edges[:-1]
        twin = np.arange(nodes.size)
        twin[holes] = again
        after = twin[following[bottoms[edges]]]
        following = np.concatenate((twin[following], holes, back, after))
        following[bottoms[edges][np.concatenate(([True], ~same_edge))]] = leave[np.concatenate(([True], ~same_edge))]
        following[back[:-1][same_edge]] = leave[1:][same_edge]
        x, y = np.concatenate((x, to_x, from_x, to_x)), np.concatenate((y, from_y, from_y, from_y))
        on = loops[bottoms[edges]]
        loops = np.concatenate((loops, on, loops[holes], on))
        rings = _walk(following, [ring[0] for ring, hole in zip(rings, is_hole, strict=True) if not hole])
    bridge_end = np.arange(x.size) >= nodes.size
    bridge_end[holes] = True
    corners = np.stack((x, y), axis=1).astype(np.int32)
    traced = [Ring(corners[ring], bridge_end[ring], loops[ring]) for ring in rings]
    return [_without_repeats(ring) for ring in traced] if holes.size else traced


def _without_repeats(ring: Ring) -> Ring:
    """Leave out corners where a bridge leaves an edge at its very end: the point there is needed once."""
    needed = np.any(ring.points != np.roll(ring.points, 1, axis=0), axis=1) | ring.ends
    return Ring(*(values[needed] for values in ring))


def _walk(following: NDArray[np.int64], starts: Sequence[int]) -> list[list[int]]:
    """Return the rings that the starts lie on, each once, beginning with its start."""
    steps = following.tolist()
    seen = bytearray(len(steps))
    rings = []
    for start in starts:
        if seen[start]:
            continue
        ring = []
        node = start
        while not seen[node]:
            seen[node] = 1
            ring.append(node)
            node = steps[node]
        rings.append(ring)
    return rings
