"""Cut an object out of the box around it, in several ways, and tell how far to trust each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from maskbus.handlers.grabcut_propose import Pointers
from maskbus.handlers.grabcut_regions import WorkingImage
from maskbus.handlers.grabcut_replay import tidy
from maskbus.interfaces import Job
from maskbus.models.colour_cut import I8, Bool, by_histograms, by_mixtures, separation
from maskbus.models.colours import F32, Pixels

NEAR = 0.3
"""How far round a box its nearer background goes, as a share of the square root of the box's area."""
FILLED = 0.1
"""A cut that fills less of its box than this share is trusted in proportion less."""


def cuts_in_box(
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
        yield tidy(by_mixtures(image.pixels, everything, hard, rounds=3, coarse_first=False), pointers), near


def _in_two_steps(pixels: Pixels, member: F32, hard: I8) -> Bool:
    # Histograms tell apart what mixtures blur; one round of mixtures then takes their speckle away.
    cut = by_histograms(pixels, member, hard, rounds=2, trust=0.5)
    return by_mixtures(pixels, np.where(cut, np.float32(0.8), np.float32(0.2)), hard, rounds=1)


def trust_in_box(image: WorkingImage, cut: Bool, near: Bool, box: F32) -> float:
    """Return how far to trust `cut`: less where it hardly fills the box, as a cut that has collapsed to specks."""
    filled = np.count_nonzero(cut) / max(float((box[2] - box[0]) * (box[3] - box[1])), 1.0)
    return min(1.0, filled / FILLED) * (tightness(cut, box) + separation(image.pixels, cut, near)) / 2


def tightness(cut: Bool, box: F32) -> float:
    """Return the share of the box's width times the share of its height that the cut reaches over, 0…1."""
    if not cut.any():
        return 0.0
    rows, columns = np.flatnonzero(cut.any(axis=1)), np.flatnonzero(cut.any(axis=0))
    wide = min(1.0, float(np.ptp(columns) + 1) / max(float(box[2] - box[0]), 1.0))
    high = min(1.0, float(np.ptp(rows) + 1) / max(float(box[3] - box[1]), 1.0))
    return wide * high
