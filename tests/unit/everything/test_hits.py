"""Masks that wait."""

from __future__ import annotations

import numpy as np
import pytest

from maskbus.everything.grid_hits import thresholded
from maskbus.everything.hits import Kept, trimmed
from maskbus.interfaces import FoundObject


@pytest.mark.parametrize("seed", range(20))
def test_a_mask_put_away_comes_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(1, 30, 2))
    patch = rng.random((height, width)) < rng.choice([0.0, 0.1, 0.5, 1.0])
    one = FoundObject((3, 4, width, height), patch, int(patch.sum()), 0.9, 0.8, (5.0, 6.0), (0, 0, 50, 50))
    assert np.array_equal(Kept.of(one).patch(), patch), f"seed {seed}"


def test_a_mask_is_trimmed_to_its_pixels() -> None:
    mask = np.zeros((20, 30), bool)
    mask[3:8, 4:6] = True
    x, y, patch = trimmed(mask)
    assert (x, y, patch.shape) == (4, 3, (5, 2))
    assert patch.all()
    assert trimmed(np.zeros((20, 30), bool))[2].size == 0


@pytest.mark.parametrize("shape", [(1, 1), (63, 5), (64, 200), (131, 17)])
def test_the_stability_score_is_the_iou_of_the_mask_at_shifted_thresholds(shape: tuple[int, int]) -> None:
    logits = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    mask, stability = thresholded(logits, 0.25)
    assert np.array_equal(mask, logits > 0)
    inner, outer = logits > 0.25, logits > -0.25
    assert stability == pytest.approx((inner & outer).sum() / max(1, (inner | outer).sum()))


def test_nothing_is_not_stable() -> None:
    assert thresholded(np.full((4, 4), -9, np.float32), 1.0)[1] == 0.0
    assert thresholded(np.zeros((0, 0), np.float32), 1.0)[1] == 0.0
