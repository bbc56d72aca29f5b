"""Prompts as a training gives them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from training.nano import prompts

SIDE = 64


def blob(draw: np.random.Generator) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.float32)
    middle, axes = draw.integers(16, 48, 2), draw.integers(5, 16, 2)
    cv2.ellipse(mask, tuple(int(v) for v in middle), tuple(int(v) for v in axes), 20.0, 0, 360, 1.0, -1)
    return mask


class Heard(prompts.Said):
    """Remember the clicks."""

    def __init__(self) -> None:
        super().__init__(SIDE)
        self.clicks: list[tuple[int, int, bool]] = []

    def click(self, x: float, y: float, *, on_object: bool) -> None:
        super().click(x, y, on_object=on_object)
        self.clicks.append((round(x), round(y), on_object))


@pytest.mark.parametrize("seed", range(30))
def test_corrections_land_in_the_error_and_say_which(seed: int) -> None:
    draw = np.random.default_rng(seed)
    truth, answer = blob(draw), blob(draw)
    said = Heard()
    while prompts.correct(said, truth, answer, draw) and len(said.clicks) < 6:
        x, y, on_object = said.clicks[-1]
        assert (truth[y, x] > 0.5) == on_object
        assert (answer[y, x] > 0.5) != on_object
    assert said.clicks
    assert len(set(said.clicks)) == len(said.clicks)


def test_nothing_is_corrected_where_nothing_is_wrong() -> None:
    draw = np.random.default_rng(0)
    truth = blob(draw)
    said = Heard()
    assert not prompts.correct(said, truth, truth, draw)
    assert not said.clicks


def test_first_prompts_point_at_the_object() -> None:
    kinds = []
    for seed in range(120):
        draw = np.random.default_rng(seed)
        truth = blob(draw)
        clicks, background, inside, outside, earlier = prompts.first(truth, 0.25, draw).values
        kinds.append((bool(clicks.any()), bool(inside.any()), bool(earlier.any())))
        if clicks.any():
            labels, parts = cv2.connectedComponents(clicks.astype(np.uint8))
            for label in range(1, labels):
                assert truth[parts == label].any()
        if inside.any():
            assert np.array_equal(inside, 1 - outside)
            assert inside[truth > 0.5].mean() > 0.7
        assert not (clicks * background).any()
        assert np.abs(earlier).max() <= 1
    assert 60 < kinds.count((True, False, False)) < 100
    assert 15 < kinds.count((False, True, False)) < 40


def test_a_spoilt_mask_is_still_about_the_object() -> None:
    overlaps = []
    for seed in range(40):
        draw = np.random.default_rng(seed)
        truth = blob(draw)
        spoilt = prompts.spoiled(truth, draw)
        assert spoilt.dtype == np.float32
        assert 0 < spoilt.min() <= spoilt.max() < 1
        overlaps.append(((spoilt > 0.5) & (truth > 0.5)).sum() / max(((spoilt > 0.5) | (truth > 0.5)).sum(), 1))
    assert 0.3 < np.mean(overlaps) < 0.98
