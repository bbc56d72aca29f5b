"""Correct an answer click by click, so that each click does what its kind promises.

A click on the background only takes away, a click on the object only adds, and a click that the answer already obeys
changes nothing. Clicks are taken in the order in which they were given. So clicks sent without a mask end where the
same clicks end when each one goes along with the mask of the answer before.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from maskbus.handlers.grabcut_propose import Pointers
from maskbus.models.colour_cut import I8, Bool
from maskbus.models.colours import F32

MOST_STEPS = 8
"""The most corrections made one by one; clicks that contradict the answer after these are obeyed to the pixel only."""

SPECK = 0.1
"""Parts smaller than this share of the largest are dropped where nobody clicked on them."""


@dataclass(frozen=True)
class Clicks:
    """Hold the clicks on one object in the order given, in pixels of the working copy."""

    points: F32
    """(N, 2) x, y."""
    labels: I8
    """(N,) 1 = object, 0 = background."""

    def __len__(self) -> int:
        return len(self.points)

    def pointers(self, count: int, box: F32 | None, prior: F32 | None) -> Pointers:
        """Return the first `count` clicks."""
        points, labels = self.points[:count], self.labels[:count]
        return Pointers(points[labels == 1], points[labels == 0], box, prior)

    def obeyed(self, which: int, cut: Bool) -> bool:
        """Tell whether `cut`, (h, w), holds the click `which` if it is on the object, lacks it if it is not."""
        row, column = pixel(self.points[which], cut.shape)
        return bool(cut[row, column]) == bool(self.labels[which] == 1)


def pixel(point: F32, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return row and column of the pixel of the working copy nearest to `point`, x, y."""
    return (
        min(max(round(float(point[1])), 0), shape[0] - 1),
        min(max(round(float(point[0])), 0), shape[1] - 1),
    )


def taken_away(before: Bool, cut: Bool, clicked: tuple[int, int], kept: npt.NDArray[np.intp]) -> Bool:
    """Return `before` less what `cut` lacks of the part that was clicked on.

    What comes off that part goes too, unless it holds one of `kept`, (P, 2) rows and columns of clicks on the object.
    A part that holds none of them goes as a whole where another part does.
    """
    part = _part_at(before, clicked)
    on = before[kept[:, 0], kept[:, 1]]
    if on.any() and not part[kept[:, 0], kept[:, 1]].any():
        return np.asarray(before & ~part, np.bool_)
    left = part & cut
    left[clicked] = False
    _, pieces, table, _ = cv2.connectedComponentsWithStats(left.astype(np.uint8), connectivity=8)
    held = np.unique(pieces[kept[:, 0], kept[:, 1]]) if len(kept) else np.zeros(0, np.int32)
    held = held[held > 0]
    if not len(held) and len(table) > 1:
        sizes = table[1:, cv2.CC_STAT_AREA]
        held = 1 + np.flatnonzero(sizes >= SPECK * sizes.max())
    return np.asarray((before & ~part) | np.isin(pieces, held), np.bool_)


def added(before: Bool, cut: Bool, clicked: tuple[int, int]) -> Bool:
    """Return `before` and what `cut` has beside it around the click."""
    new = cut & ~before
    new[clicked] = True
    return np.asarray(before | _part_at(new, clicked), np.bool_)


def tidy(cut: Bool, pointers: Pointers) -> Bool:
    """Return the parts of `cut` that hold a positive click; where there is no click, those that are not mere specks."""
    count, parts, table, _ = cv2.connectedComponentsWithStats(cut.astype(np.uint8))
    if count <= 2:
        return cut
    if not len(pointers.positive):
        sizes = table[1:, cv2.CC_STAT_AREA]
        return np.isin(parts, 1 + np.flatnonzero(sizes >= SPECK * sizes.max()))
    height, width = cut.shape
    columns = np.clip(np.rint(pointers.positive[:, 0]).astype(int), 0, width - 1)
    rows = np.clip(np.rint(pointers.positive[:, 1]).astype(int), 0, height - 1)
    clicked = np.unique(parts[rows, columns])
    clicked = clicked[clicked > 0]
    return np.isin(parts, clicked) if len(clicked) else cut


def _part_at(mask: Bool, place: tuple[int, int]) -> Bool:
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return np.asarray((parts == parts[place]) & mask, np.bool_)
