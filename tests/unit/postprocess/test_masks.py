"""Answers: masks that are cut to their boxes come out as whole ones do, and what is said of them goes with them."""

import cv2
import numpy as np
import pytest

from maskbus.interfaces import FoundObject, Masks, TextScore
from maskbus.postprocess import answered, found
from maskbus.postprocess.parts import without_holes, without_islands
from maskbus.postprocess.smoothing import smoothed
from maskbus.postprocess.windows import processed
from maskbus_wire import geometry
from maskbus_wire.requests import PostProcessing

HEIGHT, WIDTH = 120, 160
EVERYWHERE = (True, True, True, True)
SEED = 89

POSTS = [
    PostProcessing(),
    PostProcessing(fill_holes=12),
    PostProcessing(remove_islands=12),
    PostProcessing(smooth=2.5),
    PostProcessing(fill_holes=20, remove_islands=20, smooth=1.5),
    PostProcessing(fill_holes=10**9, remove_islands=10**9, smooth=7, min_area=200),
    PostProcessing(min_area=500),
]


def never():
    pass


def things(count):
    """Return masks with holes and crumbs, many of them cut off by the border; an empty one and a full one."""
    print("seed", SEED)
    rng = np.random.default_rng(SEED)
    masks = np.zeros((count, HEIGHT, WIDTH), np.bool_)
    for mask in masks[2:]:
        radius = int(rng.integers(1, 50))
        centre = (int(rng.integers(0, WIDTH)), int(rng.integers(0, HEIGHT)))
        drawn = cv2.circle(np.zeros((HEIGHT, WIDTH), np.uint8), centre, radius, 1, -1).astype(np.bool_)
        mask[:] = drawn ^ (drawn & (rng.random(drawn.shape) < 0.03))
        near = cv2.dilate(drawn.astype(np.uint8), np.ones((9, 9))).astype(np.bool_)
        mask |= near & (rng.random(drawn.shape) < 0.02)
    masks[1] = True
    return masks


def cut(masks):
    objects = []
    for i, mask in enumerate(masks):
        bbox, patch = geometry.window(mask)
        crop = (0, 0, WIDTH, HEIGHT)
        objects.append(FoundObject(bbox, patch.copy(), int(mask.sum()), i / 1000, 1.0, (float(i), 4.0), crop))
    return objects


def by_hand(mask, post):
    """Return the mask as whole arrays say it."""

    def cleaned(mask):
        mask = without_holes(mask, post.fill_holes) if post.fill_holes else mask
        return without_islands(mask, post.remove_islands) if post.remove_islands else mask

    mask = cleaned(mask)
    return cleaned(smoothed(mask, post.smooth, EVERYWHERE)) if post.smooth else mask


def said(count):
    numbers = np.arange(count, dtype=np.float32) / count
    logits = np.arange(count * 6, dtype=np.float32).reshape(count, 2, 3)
    labels = tuple(f"thing {i}" for i in range(count))
    return (numbers, numbers / 2, logits, labels, numbers / 4, numbers / 8, (TextScore("thing", count, count),))


@pytest.mark.parametrize("post", POSTS)
def test_hundreds_of_windows_and_whole_masks_alike(post):
    masks = things(200)
    before = masks.copy()
    objects = found(cut(masks), HEIGHT, WIDTH, post, never)
    answer = answered(Masks(masks, *said(200)), post, never)
    assert np.array_equal(masks, before)
    wanted = {i: mask for i, mask in enumerate(by_hand(mask, post) for mask in masks) if mask.sum() >= post.min_area}
    assert len(wanted) < 200 or not post.min_area

    assert [one.area for one in objects] == sorted((int(mask.sum()) for mask in wanted.values()), reverse=True)
    assert {int(one.point[0]) for one in objects} == set(wanted)
    for one in objects:
        assert np.array_equal(one.full(HEIGHT, WIDTH), wanted[int(one.point[0])])
        assert one.bbox == geometry.bbox(one.full(HEIGHT, WIDTH))
        assert one.predicted_iou == one.point[0] / 1000

    assert [label.split()[1] for label in answer.labels] == [str(i) for i in wanted]
    assert np.array_equal(answer.masks, np.array(list(wanted.values())))


def test_what_is_said_of_masks_goes_with_them():
    masks = np.zeros((4, HEIGHT, WIDTH), np.bool_)
    masks[1, :2] = masks[2, :1] = masks[3, :3] = True
    answer = answered(Masks(masks, *said(4)), PostProcessing(min_area=2 * WIDTH), never)
    iou, stability, logits, _, similarity, probability, scores = said(4)
    rows = [1, 3]
    assert np.array_equal(answer.masks, masks[rows])
    assert answer.labels == ("thing 1", "thing 3")
    assert answer.scores == scores  # they are of what was looked at
    for name, values in (
        ("predicted_iou", iou), ("stability_score", stability), ("logits", logits),
        ("similarity", similarity), ("probability", probability),
    ):  # fmt: skip
        assert np.array_equal(getattr(answer, name), values[rows]), name


def test_none_is_left_and_none_was_there():
    post = PostProcessing(min_area=10**12, smooth=3)
    left = answered(Masks(things(5), *said(5)), post, never)
    assert left.masks.shape == (0, HEIGHT, WIDTH)
    assert (left.labels, len(left.logits), len(left.scores)) == ((), 0, 1)
    assert len(answered(Masks.none(HEIGHT, WIDTH), post, never)) == 0
    assert found([], HEIGHT, WIDTH, post, never) == []
    assert found(cut(things(5)), HEIGHT, WIDTH, post, never) == []


def test_what_smoothing_cuts_off_is_an_island_as_any_other():
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[20:80, 20:80] = mask[47, 80:88] = mask[40:54, 88:102] = True  # a neck
    assert len(cv2.connectedComponentsWithStats(mask.astype(np.uint8))[2]) == 2
    (_, smooth) = processed(geometry.window(mask), HEIGHT, WIDTH, PostProcessing(smooth=4))
    assert len(cv2.connectedComponentsWithStats(smooth.astype(np.uint8))[2]) == 3
    (box, clean) = processed(geometry.window(mask), HEIGHT, WIDTH, PostProcessing(smooth=4, remove_islands=400))
    assert box[0] + box[2] <= 82
    assert clean.sum() > 3400


def test_it_can_be_stopped_between_masks():
    class Stop(Exception):
        pass

    def stop():
        raise Stop

    post = PostProcessing(smooth=1)
    with pytest.raises(Stop):
        answered(Masks(things(3), *said(3)), post, stop)
    with pytest.raises(Stop):
        found(cut(things(3)), HEIGHT, WIDTH, post, stop)
