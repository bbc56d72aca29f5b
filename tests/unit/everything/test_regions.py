"""Small holes and islands."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from maskbus.everything.hits import trimmed
from maskbus.everything.regions import cleaned


def clean(mask: np.ndarray, area: int) -> tuple[np.ndarray, bool]:
    x, y, patch = trimmed(mask)
    bbox = (x, y, patch.shape[1], patch.shape[0])
    patch, (x, y, w, h), changed = cleaned(patch, bbox, *mask.shape, area)
    assert patch.shape == (h, w)
    assert patch.any(axis=0)[[0, -1]].all()
    assert patch.any(axis=1)[[0, -1]].all()
    full = np.zeros_like(mask)
    full[y : y + h, x : x + w] = patch
    return full, changed


def slowly(mask: np.ndarray, area: int) -> tuple[np.ndarray, bool]:
    """Do the same as simply as can be, on the whole image."""
    new = mask.copy()
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=8)
    for label in range(1, len(stats)):
        if stats[label, cv2.CC_STAT_AREA] < area:
            new[labels == label] = True
    _, labels, stats, _ = cv2.connectedComponentsWithStats(new.astype(np.uint8), connectivity=8)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    everything_is_small = (stats[1:, cv2.CC_STAT_AREA] < area).all()
    for label in range(1, len(stats)):
        small = stats[label, cv2.CC_STAT_AREA] < area
        if small and not (everything_is_small and label == largest):
            new[labels == label] = False
    # One small part alone counts as changed, though it stays as it is.
    return new, not np.array_equal(new, mask) or bool(everything_is_small)


def test_holes_are_filled_and_islands_removed() -> None:
    mask = np.zeros((100, 100), bool)
    mask[20:60, 20:60] = True
    whole = mask.copy()
    mask[30:34, 30:34] = False
    mask[80:83, 80:83] = True
    cleared, changed = clean(mask, 17)
    assert changed
    assert np.array_equal(cleared, whole)


def test_what_is_as_large_as_asked_stays() -> None:
    mask = np.zeros((100, 100), bool)
    mask[20:60, 20:60] = True
    mask[30:34, 30:34] = False
    mask[80:84, 80:84] = True
    cleared, changed = clean(mask, 16)
    assert not changed
    assert np.array_equal(cleared, mask)


def test_where_all_is_small_the_largest_part_stays() -> None:
    mask = np.zeros((50, 50), bool)
    mask[3:5, 3:5] = True
    mask[20:23, 20:23] = True
    cleared, changed = clean(mask, 1000)
    assert changed
    assert cleared.sum() == 9
    assert cleared[21, 21]


def test_background_cut_off_at_the_border_is_a_hole() -> None:
    mask = np.zeros((40, 60), bool)
    mask[:, 5:] = True  # leaves 200 pixels at the left
    assert clean(mask, 201)[0].all()
    assert np.array_equal(clean(mask, 200)[0], mask)


@pytest.mark.parametrize("seed", range(60))
def test_a_mask_in_its_box_is_cleaned_as_in_the_whole_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 70, 2)
    noise = cv2.GaussianBlur(rng.standard_normal((height, width)), (0, 0), float(rng.choice([0.5, 1.5, 4])))
    mask = noise > rng.normal() * noise.std()
    if rng.random() < 0.3:
        mask[:, : width // 3] = False
    if not mask.any():
        mask[0, 0] = True
    area = int(rng.choice([1, 5, 50, 500, 5000]))
    new, changed = clean(mask, area)
    expected, expected_change = slowly(mask, area)
    assert np.array_equal(new, expected), f"seed {seed}"
    assert changed == expected_change, f"seed {seed}"
