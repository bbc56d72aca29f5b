"""Propose, over the regions of a picture, what a prompt may mean: one soft membership for each scale tried.

Each proposal starts as a disc (around clicks) or an ellipse (in a box) of its own size and then alternates, as GrabCut
does (Rother et al. 2004), between colour models of object and background and memberships smoothed over weak edges.
The pull of the starting shape fades as the colour models settle (deterministic annealing).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from maskbus.handlers.grabcut_regions import WorkingImage, geodesic, per_region
from maskbus.models.colours import F32

CLICK_RADII = (0.06, 0.09, 0.13, 0.2, 0.3)
"""Starting radii of a click's proposals, as a share of the square root of the picture's area."""
BOX_RADII = (0.4, 0.55, 0.7, 0.9, 1.1)
"""Starting radii in a box, where 1 touches its sides."""
CORRECTION_RADII = (0.5, 0.75, 1.0, 1.5, 2.0)
"""Radii within which a click corrects an earlier mask, as a share of its distance to that mask's edge."""
ALIKE = 0.5
"""Regions more alike than this to the one that was clicked on, which is 1 to itself, are of its colour."""
TRUST = 2.0
"""Log odds, times the pull, that an earlier mask gives where no click contradicts it."""
ROUNDS = 12
KEPT_ROUNDS = 7
"""The last so many rounds are averaged: a membership that flickers is an uncertain one."""
PULL = 2.0
PULL_DECAY = 0.6
PULL_LEFT = 0.2
"""Log odds that the starting shape gives at first, what stays of it each round, and the least of it."""
PULL_OF_MASK = 1.0
"""The least of it where the start is an earlier mask, which knows more than a disc."""
RIM_ODDS = 1.0
"""Log odds against regions on the picture's border, for clicks."""


@dataclass(frozen=True)
class Pointers:
    """Hold one object's prompt in pixels of the working copy."""

    positive: F32
    """(P, 2) x, y."""
    negative: F32
    """(Q, 2) x, y."""
    box: F32 | None = None
    """(4,) x0, y0, x1, y1: outer edges."""
    prior: F32 | None = None
    """(h, w) earlier membership, 0…1."""


def regions_at(image: WorkingImage, points: F32) -> npt.NDArray[np.intp]:
    """Return the region under each of `points`, (P, 2) x, y."""
    height, width = image.labels.shape
    columns = np.clip(np.rint(points[:, 0]).astype(np.intp), 0, width - 1)
    rows = np.clip(np.rint(points[:, 1]).astype(np.intp), 0, height - 1)
    return np.asarray(image.labels[rows, columns], np.intp)


def box_cover(shape: tuple[int, int], box: F32) -> npt.NDArray[np.bool_]:
    """Return (h, w) the pixels that `box` covers: at least one."""
    cover = np.zeros(shape, np.bool_)
    left, top = (min(max(int(box[i] + 1e-3), 0), shape[1 - i] - 1) for i in (0, 1))
    right, bottom = (max(int(np.ceil(box[2] - 1e-3)), left + 1), max(int(np.ceil(box[3] - 1e-3)), top + 1))
    cover[top:bottom, left:right] = True
    return cover


def propose(image: WorkingImage, pointers: Pointers) -> F32:
    """Return (N, K) memberships 0…1, one column for each scale, smallest first."""
    count = len(image.area)
    fixed = np.zeros(count, np.float32)
    # A region under clicks of both kinds is left to the pixels.
    np.add.at(fixed, np.unique(regions_at(image, pointers.positive)), 1)
    np.add.at(fixed, np.unique(regions_at(image, pointers.negative)), -1)
    outside = np.zeros(count, np.bool_)
    if pointers.box is not None:
        outside = per_region(image, box_cover(image.labels.shape, pointers.box)) < 0.5
        fixed[outside] = -1
    pull, steady = _shape_odds(image, pointers, outside)
    background = _background_weight(image, pointers, outside)
    member = 1 / (1 + np.exp(np.clip(-3 * pull - steady, -30, 30)))
    gain, least = PULL, PULL_LEFT if pointers.prior is None else PULL_OF_MASK
    kept = np.zeros_like(member)
    for turn in range(ROUNDS):
        member[fixed > 0], member[fixed < 0] = 1, 0
        inside = member * image.area[:, None]
        others = (1 - member) * image.area[:, None] * background[:, None]
        likely = image.alike @ (inside / np.maximum(inside.sum(axis=0), 1e-3))
        unlikely = image.alike @ (others / np.maximum(others.sum(axis=0), 1e-3))
        odds = np.log((likely + 1e-9) / (unlikely + 1e-9)) + gain * np.clip(pull, -2, 1) + steady
        odds += 8 * fixed[:, None]
        gain = max(gain * PULL_DECAY, least)
        member = image.smooth @ (1 / (1 + np.exp(-np.clip(odds, -30, 30))))
        member = 1 / (1 + np.exp(-4 * (member - 0.5)))
        if turn >= ROUNDS - KEPT_ROUNDS:
            kept += member / KEPT_ROUNDS
    kept[fixed > 0], kept[fixed < 0] = 1, 0
    return np.asarray(np.clip(kept, 0, 1), np.float32)


def _shape_odds(image: WorkingImage, pointers: Pointers, outside: npt.NDArray[np.bool_]) -> tuple[F32, F32]:
    """Return the fading odds of the starting shapes, (N, K), and those that stay, (N, 1)."""
    steady = np.zeros((len(image.area), 1), np.float32)
    if pointers.prior is not None:
        return _corrected(image, pointers, pointers.prior), steady
    if pointers.box is not None:
        middle = (pointers.box[:2] + pointers.box[2:]) / 2 - 0.5
        half = np.maximum((pointers.box[2:] - pointers.box[:2]) / 2, 0.5)
        far = np.linalg.norm((image.centre - middle) / half, axis=1)
        if outside.any():
            depth = geodesic(image, np.flatnonzero(outside))
            far = 0.5 * far + 0.5 * (1 - depth / max(float(depth.max()), 1e-6))
        radii = np.array(BOX_RADII, np.float32)
    else:
        far = _distance(image, pointers.positive)
        spread = np.ptp(pointers.positive, axis=0).max(initial=0) / 2 / np.sqrt(image.labels.size)
        radii = np.maximum(np.array(CLICK_RADII, np.float32), spread)
        steady[image.rim] -= RIM_ODDS
    if len(pointers.negative) and len(pointers.positive):
        near = _distance(image, pointers.positive)
        away = _distance(image, pointers.negative)
        steady[:, 0] += 2 * (away - near) / np.maximum(away + near, 1e-6)
    return np.asarray(1 - far[:, None] / radii[None], np.float32), steady


def _corrected(image: WorkingImage, pointers: Pointers, prior: F32) -> F32:
    """Return (N, K) the odds of an earlier mask, turned round about the clicks that contradict it."""
    member = per_region(image, prior)
    pull = np.repeat(2 * member[:, None] - 1, len(CORRECTION_RADII), axis=1) * TRUST
    held = np.pad(prior > 0.5, 1)
    for points, sign in ((pointers.positive, 1), (pointers.negative, -1)):
        reach = cv2.distanceTransform((held if sign < 0 else ~held).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
        for point in points:
            column = min(max(round(float(point[0])), 0), prior.shape[1] - 1)
            row = min(max(round(float(point[1])), 0), prior.shape[0] - 1)
            if reach[row, column] == 0:
                continue
            # Without any mask there is no edge to measure to.
            limit = min(float(reach[row, column]), float(max(prior.shape)))
            far = _distance(image, point[None])[:, None] * np.sqrt(prior.size)
            share = np.clip(1.5 - far / (limit * np.array(CORRECTION_RADII, np.float32)), 0, 1)
            if sign < 0:
                share = np.maximum(share, _of_one_colour(image, point, pointers.positive, member)[:, None])
            pull = (1 - share) * pull + share * sign
    return np.asarray(pull, np.float32)


def _of_one_colour(image: WorkingImage, point: F32, others: F32, member: F32) -> npt.NDArray[np.bool_]:
    """Return (N,) the regions in the mask of the click's colour, joined to it by others of that colour.

    What is more like the region under one of the `others` is not of it.
    """
    here = int(regions_at(image, point[None])[0])
    alike = image.alike[here] / image.alike[here, here]
    same = (alike > ALIKE) & (member > 0.5)
    for other in regions_at(image, others):
        same &= alike > image.alike[other] / image.alike[other, other]
    joined = np.zeros(len(member), np.bool_)
    joined[here] = True
    for _ in range(len(member)):
        wider = joined | (same & joined[image.neighbours].any(axis=1))
        if np.array_equal(wider, joined):
            break
        joined = wider
    return joined


def _distance(image: WorkingImage, points: F32) -> F32:
    """Return (N,) half straight, half geodesic distance to the nearest point, in square roots of the area."""
    straight = np.linalg.norm(image.centre[:, None] - points[None], axis=2).min(axis=1)
    straight = straight / np.sqrt(image.labels.size)
    along = geodesic(image, regions_at(image, points))

    def spread(values: F32) -> float:
        return float(np.sqrt((values * values * image.area).sum() / image.area.sum()))

    return np.asarray(0.5 * straight + 0.5 * along * spread(straight) / max(spread(along), 1e-6), np.float32)


def _background_weight(image: WorkingImage, pointers: Pointers, outside: npt.NDArray[np.bool_]) -> F32:
    """Return (N,) how much each region tells of the background: what is far from a box tells less."""
    if pointers.box is None:
        return np.ones(len(image.area), np.float32)
    middle = (pointers.box[:2] + pointers.box[2:]) / 2 - 0.5
    half = np.maximum((pointers.box[2:] - pointers.box[:2]) / 2, 0.5)
    beyond = np.maximum((np.abs(image.centre - middle) - half).max(axis=1), 0) / np.sqrt(half.prod())
    return np.asarray(np.where(outside, np.exp(-beyond / 0.5), 1), np.float32)
