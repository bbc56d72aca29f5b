"""Search the object that one prompt points at, and outline it at full resolution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np

from maskbus.handlers.grabcut_box import cuts_in_box, trust_in_box
from maskbus.handlers.grabcut_edges import to_full
from maskbus.handlers.grabcut_propose import Pointers, box_cover, propose
from maskbus.handlers.grabcut_regions import WorkingImage
from maskbus.handlers.grabcut_replay import MOST_STEPS, Clicks, added, pixel, taken_away, tidy
from maskbus.interfaces import Job, Prompt
from maskbus.models.colour_cut import I8, Bool, by_mixtures, separation
from maskbus.models.colours import F32

CLICK_REACH = 2
"""Half side of the square around a click that must follow it, pixels of the working copy."""
ALTERNATIVES = 3
"""The most masks that answer one prompt."""
SAME = 0.9
"""Two masks with a higher IoU count as one."""

SURE = 0.9
"""A cut in a box that is trusted so far is not compared with others."""
DOUBTED = 0.5
"""Where no cut in a box is trusted so far, the proposals themselves are compared with the cuts."""


@dataclass(frozen=True)
class Candidate:
    """Hold one possible answer, over the working copy."""

    cut: Bool
    """(h, w)"""
    predicted_iou: float
    """How far to trust the cut, 0…1: the mean of two figures. One is how little the colours inside overlap those
    around. The other is, with a box, the share of the box's width times that of its height which the cut reaches over;
    without one, the mean IoU of the cut with the proposals of the single scales.
    """
    stability: float
    """IoU of the proposals' mean membership at 0.6 and at 0.4: how little hangs on the threshold."""
    earlier: tuple[Bool, ...] = ()
    """(h, w) what was cut before each correction; empty where there was none."""
    given: bool = False
    """Whether the first of these cuts is the mask that came with the prompt."""


def search(image: WorkingImage, prompt: Prompt, job: Job, several: bool) -> list[Candidate]:
    """Return what `prompt`, of one object, may mean: best first, exactly one unless `several`."""
    clicks, box, prior = to_working(image, prompt)
    if prior is not None and not (prior > 0.5).any() and (box is not None or (clicks.labels == 1).any()):
        prior = None
    if prior is not None and box is None and len(clicks):
        start = _judged_by_proposals(image, clicks.pointers(len(clicks), None, prior), prior > 0.5)
        return [replay(image, replace(start, given=True), clicks, None, job)]
    if not len(clicks):
        return hypotheses(image, clicks.pointers(0, box, prior), job, several)
    # The first click on the object shows where it is; with a box, the box does.
    first = Clicks(clicks.points[:0], clicks.labels[:0])
    if box is None:
        chosen = np.flatnonzero(clicks.labels == 1)[:1]
        first = Clicks(clicks.points[chosen], clicks.labels[chosen])
    found = [
        replay(image, one, clicks, box, job) for one in hypotheses(image, first.pointers(1, box, prior), job, several)
    ]
    return different(found)


def replay(image: WorkingImage, base: Candidate, clicks: Clicks, box: F32 | None, job: Job) -> Candidate:
    """Return `base` after the corrections by those of `clicks` that contradict what the clicks before them left."""
    current = base
    steps = 0
    for which in range(len(clicks)):
        if clicks.obeyed(which, current.cut):
            continue
        steps += 1
        if steps > MOST_STEPS:
            break
        job.check()
        pointers = clicks.pointers(which + 1, box, current.cut.astype(np.float32))
        current = correct(image, pointers, current, clicks.points[which], bool(clicks.labels[which] == 1))
    return current


def correct(image: WorkingImage, pointers: Pointers, before: Candidate, point: F32, adds: bool) -> Candidate:
    """Return the answer `before` corrected by the click at `point`, the last of `pointers`."""
    hard = constraints(image, pointers)
    proposals = propose(image, pointers)
    member = proposals.mean(axis=1)[image.labels]
    cut = by_mixtures(image.pixels, member, hard, rounds=3)
    clicked = pixel(point, cut.shape)
    if adds:
        cut = added(before.cut, cut, clicked)
    else:
        kept = np.array([pixel(one, cut.shape) for one in pointers.positive], np.intp).reshape(-1, 2)
        cut = taken_away(before.cut, cut, clicked, kept)
    after = _judged(image, cut, proposals, overlap(member > 0.6, member > 0.4))
    return replace(after, earlier=(*before.earlier, before.cut), given=before.given)


def hypotheses(image: WorkingImage, pointers: Pointers, job: Job, several: bool) -> list[Candidate]:
    """Return what `pointers` may mean, without regard to the order of its clicks."""
    hard = constraints(image, pointers)
    proposals = propose(image, pointers)
    job.check()
    member = proposals.mean(axis=1)[image.labels]
    stability = overlap(member > 0.6, member > 0.4)
    if pointers.box is not None:
        found = []
        for cut, near in cuts_in_box(image, pointers, pointers.box, hard, member, job):
            found.append(Candidate(cut, trust_in_box(image, cut, near, pointers.box), stability))
            trust = found[-1].predicted_iou
            if trust >= SURE and not several:
                break
        if max(one.predicted_iou for one in found) < DOUBTED:
            # Cuts by colour can lose an object that has the colours around it; the proposals still know its place.
            cut = (member > 0.5) & (hard >= 0) | (hard > 0)
            cut = cut if cut.any() else hard >= 0
            found = [Candidate(cut, trust_in_box(image, cut, near, pointers.box), stability), *found]
            found = [one for one in found if one.cut.any()]
        found.sort(key=lambda candidate: -candidate.predicted_iou)
    else:
        found = [_around_clicks(image, pointers, hard, member, proposals, stability)]
        for scale in (0, -1) if several else ():
            job.check()
            alone = proposals[:, scale][image.labels]
            found.append(_around_clicks(image, pointers, hard, alone, proposals, stability))
        # The mean of the scales is the answer; the single scales are the alternatives to it.
        best = found[0].predicted_iou
        found = [found[0], *sorted((_capped(other, best) for other in found[1:]), key=lambda one: -one.predicted_iou)]
    return different(found[: ALTERNATIVES if several else 1])


def different(found: list[Candidate]) -> list[Candidate]:
    """Return `found`, best first, without those that are nearly the same as a better one."""
    kept: list[Candidate] = []
    for candidate in found:
        if all(overlap(candidate.cut, other.cut) < SAME for other in kept):
            kept.append(_capped(candidate, kept[-1].predicted_iou) if kept else candidate)
    return kept


def _around_clicks(
    image: WorkingImage, pointers: Pointers, hard: I8, member: F32, proposals: F32, stability: float
) -> Candidate:
    cut = tidy(by_mixtures(image.pixels, member, hard, rounds=3), pointers)
    return _judged(image, cut, proposals, stability)


def _judged_by_proposals(image: WorkingImage, pointers: Pointers, cut: Bool) -> Candidate:
    proposals = propose(image, pointers)
    member = proposals.mean(axis=1)[image.labels]
    return _judged(image, cut, proposals, overlap(member > 0.6, member > 0.4))


def _judged(image: WorkingImage, cut: Bool, proposals: F32, stability: float) -> Candidate:
    agreement = np.mean([overlap(cut, (column > 0.5)[image.labels]) for column in proposals.T])
    apart = separation(image.pixels, cut, np.ones_like(cut))
    return Candidate(cut, (float(agreement) + apart) / 2, stability)


def _capped(candidate: Candidate, most: float) -> Candidate:
    return replace(candidate, predicted_iou=min(candidate.predicted_iou, most))


def to_working(image: WorkingImage, prompt: Prompt) -> tuple[Clicks, F32 | None, F32 | None]:
    """Return clicks, box and mask of `prompt`, of one object, in pixels of the working copy."""
    scale = np.array(image.scale, np.float32)
    points = (prompt.points + 0.5) * scale - 0.5
    height, width = image.labels.shape
    prior = None
    if prompt.mask is not None:
        small = cv2.resize(prompt.mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        prior = np.asarray(small, np.float32).reshape(height, width)
    box = None
    if len(prompt.boxes):
        # A box names centres of pixels; its outer edges lie half a pixel further out.
        corners = prompt.boxes[0] + np.array([0, 0, 1, 1], np.float32)
        box = np.asarray(corners * np.concatenate([scale, scale]), np.float32)
    return Clicks(np.asarray(points, np.float32), prompt.labels), box, prior


def constraints(image: WorkingImage, pointers: Pointers) -> I8:
    """Return (h, w) 1 where a pixel must be object, -1 where it must not, 0 where it is free."""
    height, width = image.labels.shape
    hard = np.zeros((height, width), np.int8)
    if pointers.box is not None:
        hard[~box_cover(image.labels.shape, pointers.box)] = -1
    # From the widest square to the pixel itself, so that two close clicks share the ground between them.
    for reach in range(CLICK_REACH, -1, -1):
        for points, sign in ((pointers.negative, -1), (pointers.positive, 1)):
            for point in points:
                column = min(max(round(float(point[0])), 0), width - 1)
                row = min(max(round(float(point[1])), 0), height - 1)
                rows = slice(max(row - reach, 0), row + reach + 1)
                hard[rows, max(column - reach, 0) : column + reach + 1] = sign
    return hard


def outline(image: WorkingImage, candidate: Candidate, prompt: Prompt) -> Bool:
    """Return (H, W) the candidate's mask at full resolution, with every click obeyed.

    Each correction changes the outline of the answer before only where, and only in the way, that it changed the cut.
    """
    cuts = [*candidate.earlier, candidate.cut]
    mask = prompt.mask if candidate.given and prompt.mask is not None else to_full(image, cuts[0])
    for before, cut in pairwise(cuts):
        now = to_full(image, cut)
        mask = mask | now if (cut & ~before).any() else mask & now
    mask = np.array(mask, np.bool_)
    for label in (0, 1):
        for x, y in prompt.points[prompt.labels == label]:
            mask[round(float(y)), round(float(x))] = label == 1
    return mask


def overlap(one: Bool, other: Bool) -> float:
    """Return the IoU of two masks; 1 if both are empty."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0
