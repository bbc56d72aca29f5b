"""Search the object that one prompt points at, and outline it at full resolution."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from maskbus.handlers.grabcut_cut import I8, Bool, by_histograms, by_mixtures
from maskbus.handlers.grabcut_edges import to_full
from maskbus.handlers.grabcut_propose import Pointers, box_cover, propose
from maskbus.handlers.grabcut_regions import WorkingImage
from maskbus.interfaces import Job, Prompt

CLICK_REACH = 2
"""Half side of the square around a click that must follow it, pixels of the working copy."""
ALTERNATIVES = 3
"""The most masks that answer one prompt."""
SAME = 0.9
"""Two masks with a higher IoU count as one."""

SPECK = 0.1
"""Parts smaller than this share of the largest are dropped where nobody clicked on them."""


@dataclass(frozen=True)
class Candidate:
    """Hold one possible answer, over the working copy."""

    cut: Bool
    """(h, w)"""
    predicted_iou: float
    """Mean over the scales of the IoU between that scale's proposal and the cut."""
    stability: float
    """IoU of the proposals' mean membership at 0.6 and at 0.4."""


def search(image: WorkingImage, prompt: Prompt, job: Job, several: bool) -> list[Candidate]:
    """Return what `prompt`, of one object, may mean: best first, exactly one unless `several`."""
    pointers = to_working(image, prompt)
    hard = constraints(image, pointers)
    proposals = propose(image, pointers)
    job.check()
    members = [proposals.mean(axis=1)]
    if several:
        members += [proposals[:, 0], proposals[:, -1]]
    found: list[Candidate] = []
    for member in members:
        soft = member[image.labels]
        if pointers.box is None:
            cut = by_mixtures(image, soft, hard, rounds=3)
        else:
            # Histograms tell apart what mixtures blur; one round of mixtures then takes their speckle away.
            cut = by_histograms(image, soft, hard, rounds=2, trust=0.5)
            cut = by_mixtures(image, np.where(cut, np.float32(0.8), np.float32(0.2)), hard, rounds=1)
        cut = tidy(cut, pointers)
        job.check()
        if all(overlap(cut, other.cut) < SAME for other in found):
            agreement = [overlap(cut, (column > 0.5)[image.labels]) for column in proposals.T]
            found.append(Candidate(cut, float(np.mean(agreement)), overlap(soft > 0.6, soft > 0.4)))
    return found[:1] + sorted(found[1:], key=lambda candidate: -candidate.predicted_iou)


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
