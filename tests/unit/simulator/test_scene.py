"""Scenes: the same again for the same seed, and masks that are true."""

from __future__ import annotations

import numpy as np
import pytest

from maskbus.simulator.scene import Scene
from maskbus.simulator.shapes import KINDS


def test_the_same_seed_and_time_are_the_same_frame_in_any_order() -> None:
    one, other = Scene(160, 120, seed=4), Scene(160, 120, seed=4)
    later, first = one.view(3.3), one.view(0.0)
    assert np.array_equal(first.rgb, other.view(0.0).rgb)
    assert np.array_equal(later.rgb, other.view(3.3).rgb)
    assert np.array_equal(later.labels, other.view(3.3).labels)
    assert not np.array_equal(first.rgb, later.rgb)
    assert not np.array_equal(first.rgb, Scene(160, 120, seed=5).view(0.0).rgb)


@pytest.mark.parametrize("size", [(16, 16), (33, 400), (640, 480), (161, 97)])
def test_any_size(size: tuple[int, int]) -> None:
    width, height = size
    for seconds in (0.0, 1.7, 1e6):
        view = Scene(width, height).view(seconds)
        assert view.rgb.shape == (height, width, 3)
        assert view.labels.shape == (height, width)
        assert view.rgb.dtype == view.labels.dtype == np.uint8


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="16 pixels a side"):
        Scene(640, 15)
    with pytest.raises(ValueError, match="1 to 254 objects"):
        Scene(640, 480, objects=0)


def test_the_truth_is_where_the_picture_differs_from_its_background() -> None:
    # Scenes of fewer objects differ from those of more in nothing else: what is drawn is what is labelled.
    scene = Scene(320, 240, seed=2)
    empty = scene._background
    for seconds in np.arange(0, 12, 1.5):
        view = scene.view(float(seconds))
        drawn = (view.rgb != empty).any(axis=2)
        assert not (drawn & (view.labels == 0)).any()
        # A pixel of a thing may happen to have its background's colour; many may not.
        assert np.count_nonzero(drawn) > 0.99 * np.count_nonzero(view.labels)


@pytest.mark.parametrize("seed", range(8))
def test_the_first_object_is_seen_at_the_beginning_and_a_point_lies_in_it(seed: int) -> None:
    scene = Scene(320, 240, seed=seed)
    view = scene.view(0.0)
    point = view.inside(1)
    assert point is not None
    x, y = int(point[0]), int(point[1])
    assert view.labels[y - 2 : y + 3, x - 2 : x + 3].min() == view.labels[y - 2 : y + 3, x - 2 : x + 3].max() == 1


def test_things_move_smoothly_hide_one_another_leave_and_come_back() -> None:
    scene = Scene(320, 240, seed=1)
    views = [scene.view(i / 10) for i in range(300)]
    seen = {number: [int(view.mask(number).sum()) for view in views] for number in scene.object_ids}
    assert all(area > 0 for area in seen[1])
    left = [number for number in seen if 0 in seen[number]]
    assert left, "nothing ever leaves"
    for number in left:
        first_gone = seen[number].index(0)
        assert max(seen[number][first_gone:]) > 0 or max(seen[number][:first_gone], default=0) == 0, "gone for good"
    assert min(seen[1]) < 0.8 * max(seen[1]), "nothing ever hides the first"
    centres = np.array([np.argwhere(view.mask(1)).mean(axis=0) for view in views])
    assert np.abs(np.diff(centres, axis=0)).max() < 40, "it jumps"
    assert np.ptp(centres, axis=0).min() > 30, "it hardly moves"


def test_masks_are_those_of_what_is_seen() -> None:
    view = Scene(320, 240, seed=3).view(2.0)
    masks = view.masks()
    assert sorted(masks) == [label for label in np.unique(view.labels) if label]
    assert sum(mask.sum() for mask in masks.values()) == np.count_nonzero(view.labels)
    assert view.inside(200) is None


def test_objects_are_of_all_kinds() -> None:
    scene = Scene(64, 48, objects=7)
    assert {scene.kind(number) for number in scene.object_ids} == set(KINDS)
