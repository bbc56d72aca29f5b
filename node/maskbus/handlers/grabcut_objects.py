"""Search the object that one prompt points at, and outline it at full resolution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from maskbus.handlers.grabcut_cut import I8, Bool, by_histograms, by_mixtures, separation
from maskbus.handlers.grabcut_edges import to_full
from maskbus.handlers.grabcut_propose import Pointers, box_cover, propose
from maskbus.handlers.grabcut_regions import F32, Pixels, WorkingImage
from maskbus.interfaces import Job, Prompt

CLICK_REACH = 2
"""Half side of the square around a click that must follow it, pixels of the working copy."""
ALTERNATIVES = 3
"""The most masks that answer one prompt."""
SAME = 0.9
"""Two masks with a higher IoU count as one."""

NEAR = 0.3
"""How far round a box its nearer background goes, as a share of the square root of the box's area."""
SURE = 0.9
"""A cut in a box that is trusted so far is not compared with others."""
SPECK = 0.1
"""Parts smaller than this share of the largest are dropped where nobody clicked on them."""


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


def search(image: WorkingImage, prompt: Prompt, job: Job, several: bool) -> list[Candidate]:
    """Return what `prompt`, of one object, may mean: best first, exactly one unless `several`."""
    pointers = to_working(image, prompt)
    hard = constraints(image, pointers)
    proposals = propose(image, pointers)
    job.check()
    member = proposals.mean(axis=1)[image.labels]
    stability = overlap(member > 0.6, member > 0.4)
    if pointers.box is not None:
        found = []
        for cut, near in _in_box(image, pointers, pointers.box, hard, member, job):
            trust = (tightness(cut, pointers.box) + separation(image.pixels, cut, near)) / 2
            found.append(Candidate(cut, trust, stability))
            if trust >= SURE and not several:
                break
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
    different: list[Candidate] = []
    for candidate in found[: ALTERNATIVES if several else 1]:
        if all(overlap(candidate.cut, other.cut) < SAME for other in different):
            different.append(candidate)
    return different


def _around_clicks(
    image: WorkingImage, pointers: Pointers, hard: I8, member: F32, proposals: F32, stability: float
) -> Candidate:
    cut = tidy(by_mixtures(image.pixels, member, hard, rounds=3), pointers)
    agreement = np.mean([overlap(cut, (column > 0.5)[image.labels]) for column in proposals.T])
    apart = separation(image.pixels, cut, np.ones_like(cut))
    return Candidate(cut, (float(agreement) + apart) / 2, stability)


def _capped(candidate: Candidate, most: float) -> Candidate:
    return Candidate(candidate.cut, min(candidate.predicted_iou, most), candidate.stability)


def _in_box(
    image: WorkingImage, pointers: Pointers, box: F32, hard: I8, member: F32, job: Job
) -> Iterator[tuple[Bool, Bool]]:
    """Yield cuts that differ in what they take for background, each with the pixels near the box."""
    margin = max(4, round(NEAR * float(np.sqrt((box[2] - box[0]) * (box[3] - box[1])))))
    part = (
        slice(max(0, int(box[1]) - margin), int(np.ceil(box[3])) + margin),
        slice(max(0, int(box[0]) - margin), int(np.ceil(box[2])) + margin),
    )
    near = np.zeros(hard.shape, np.bool_)
    near[part] = True
    yield tidy(_in_two_steps(image.pixels, member, hard), pointers), near
    job.check()
    cut = np.zeros(hard.shape, np.bool_)
    cut[part] = _in_two_steps(image.pixels.crop(part), member[part], hard[part])
    yield tidy(cut, pointers), near
    if pointers.prior is None:
        job.check()
        everything = np.full(hard.shape, 0.6, np.float32)
        yield tidy(by_mixtures(image.pixels, everything, hard, rounds=3), pointers), near


def _in_two_steps(pixels: Pixels, member: F32, hard: I8) -> Bool:
    # Histograms tell apart what mixtures blur; one round of mixtures then takes their speckle away.
    cut = by_histograms(pixels, member, hard, rounds=2, trust=0.5)
    return by_mixtures(pixels, np.where(cut, np.float32(0.8), np.float32(0.2)), hard, rounds=1)


def tightness(cut: Bool, box: F32) -> float:
    """Return the share of the box's width times the share of its height that the cut reaches over, 0…1."""
    if not cut.any():
        return 0.0
    rows, columns = np.flatnonzero(cut.any(axis=1)), np.flatnonzero(cut.any(axis=0))
    wide = min(1.0, float(np.ptp(columns) + 1) / max(float(box[2] - box[0]), 1.0))
    high = min(1.0, float(np.ptp(rows) + 1) / max(float(box[3] - box[1]), 1.0))
    return wide * high


def to_working(image: WorkingImage, prompt: Prompt) -> Pointers:
    """Return `prompt`, of one object, in pixels of the working copy."""
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
    positive = np.asarray(points[prompt.labels == 1], np.float32)
    negative = np.asarray(points[prompt.labels == 0], np.float32)
    return Pointers(positive, negative, box, prior)


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


def outline(image: WorkingImage, candidate: Candidate, prompt: Prompt) -> Bool:
    """Return (H, W) the candidate's mask at full resolution, with every click obeyed."""
    mask = to_full(image, candidate.cut)
    for label in (0, 1):
        for x, y in prompt.points[prompt.labels == label]:
            mask[round(float(y)), round(float(x))] = label == 1
    return mask


def overlap(one: Bool, other: Bool) -> float:
    """Return the IoU of two masks; 1 if both are empty."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0
