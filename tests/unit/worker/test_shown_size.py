"""What a model is shown of a large image, and how its answer comes back."""

import cv2
import numpy as np
import pytest

from maskbus.interfaces import DEFAULT_EVERYTHING, EverythingSettings, FoundObject, Image, Masks, Prompt
from maskbus.worker.shown_size import ShownSize
from maskbus_wire import geometry

SEED = 101


def sizes(count=200):
    print("seed", SEED)
    rng = np.random.default_rng(SEED)
    for _ in range(count):
        height, width = (int(side) for side in rng.integers(1, 5000, 2))
        longer = max(height, width)
        if longer > 64:
            yield ShownSize.of(height, width, int(rng.integers(64, longer))), rng


def test_an_image_that_is_small_enough_is_shown_as_it_is():
    for height, width, most in ((480, 640, 640), (480, 640, 641), (640, 480, 640), (5000, 9000, 0)):
        assert ShownSize.of(height, width, most) is None
    assert ShownSize.of(480, 641, 640) == ShownSize(480, 641, 479, 640)
    assert ShownSize.of(4000, 3000, 1000) == ShownSize(4000, 3000, 1000, 750)
    assert ShownSize.of(2, 9000, 64) == ShownSize(2, 9000, 1, 64)


def test_the_longer_side_is_that_long_and_the_shape_is_kept():
    for shown, _ in sizes():
        assert shown.rows <= shown.height
        assert shown.columns <= shown.width
        scale = max(shown.rows, shown.columns) / max(shown.height, shown.width)
        assert abs(shown.rows - shown.height * scale) <= 0.5 or shown.rows == 1
        assert abs(shown.columns - shown.width * scale) <= 0.5 or shown.columns == 1


@pytest.mark.parametrize("order", ["rgb", "bgr", "mono"])
def test_each_pixel_is_the_mean_of_what_it_covers(order):
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (60, 90) if order == "mono" else (60, 90, 3), np.uint8)
    view = pixels if order == "mono" else np.dstack([pixels, pixels[:, :, :1]])[:, :, :3]  # as of four channels
    image = ShownSize(60, 90, 20, 30).image(Image(view, order, b"own"), b"shown")
    blocks = pixels.reshape(20, 3, 30, 3, *pixels.shape[2:]).mean(axis=(1, 3))
    assert np.abs(image.pixels - blocks).max() <= 0.5
    assert (image.order, image.digest, image.pixels.dtype) == (order, b"shown", np.uint8)


def test_the_digest_is_of_what_is_shown():
    one, same, other = (ShownSize(100, 100, *size) for size in ((50, 50), (50, 50), (51, 51)))
    assert one.digest(b"a") == same.digest(b"a")
    assert len({one.digest(b"a"), other.digest(b"a"), one.digest(b"b"), b"a"}) == 4
    assert len(one.digest(b"a")) == 16


def test_points_and_boxes_are_where_they_were():
    shown = ShownSize(100, 200, 25, 50)
    # The centre of the first of four pixels is an eighth of a pixel further in than that of the one that shows them.
    prompt = Prompt(
        points=np.array([[1.5, 1.5], [199.0, 99.0], [0, 0], [100, 50]], np.float32),
        labels=np.array([1, 0, 1, 1], np.int8),
        boxes=np.array([[0, 0, 200, 100], [4, 8, 12, 16]], np.float32),
        texts=("cup",),
    )
    there = shown.prompt(prompt)
    assert there.points.tolist() == [[0, 0], [49.375, 24.375], [0, 0], [24.625, 12.125]]
    assert there.boxes.tolist() == [[0, 0, 50, 25], [1, 2, 3, 4]]
    assert (there.labels is prompt.labels, there.texts) == (True, ("cup",))
    assert (there.points.dtype, there.boxes.dtype) == (np.float32, np.float32)


def test_they_stay_within():
    for shown, rng in sizes():
        size = np.array([shown.width, shown.height])
        points = np.minimum(rng.random((20, 2)) * size, np.nextafter(size.astype(np.float32), np.float32(0)))
        points[:2] = [[0, 0], np.nextafter(size.astype(np.float32), np.float32(0))]
        starts = np.minimum(rng.random((20, 2)) * size, size - 0.01)
        ends = np.minimum(starts + 0.005 + rng.random((20, 2)) * rng.choice([0, 5, 4000], (20, 1)), size)
        boxes = np.concatenate([starts, ends], axis=1).astype(np.float32)
        boxes[0] = [0, 0, *size]
        there = shown.prompt(Prompt(points=points.astype(np.float32), boxes=boxes))
        assert (there.points >= 0).all()
        assert (there.points < [shown.columns, shown.rows]).all()
        assert (there.boxes[:, :2] >= 0).all()
        assert (there.boxes[:, :2] < there.boxes[:, 2:]).all()
        assert (there.boxes[:, 2:] <= [shown.columns, shown.rows]).all()
        assert there.boxes[0].tolist() == [0, 0, shown.columns, shown.rows]


def test_a_prompt_of_nothing():
    there = ShownSize(100, 100, 10, 10).prompt(Prompt())
    assert there.is_empty
    assert there.points.shape == (0, 2)
    assert there.boxes.shape == (0, 4)


def test_a_mask_to_refine():
    mask = np.zeros((90, 90), np.bool_)
    mask[30:60, 31:62] = True
    shown = ShownSize(90, 90, 30, 30)
    there = shown.prompt(Prompt(mask=mask)).mask
    wanted = np.zeros((30, 30), np.bool_)
    wanted[10:20, 10:21] = True  # two thirds of a pixel at either side
    assert np.array_equal(there, wanted)
    assert not shown.prompt(Prompt(mask=np.zeros((90, 90), np.bool_))).mask.any()
    mask[:] = False
    mask[44, 10:80] = True
    thin = shown.prompt(Prompt(mask=mask)).mask
    assert (thin[14].sum(), thin.sum()) == (22, 22)  # thinner than what is shown, and not lost


def test_there_and_back():
    """A round thing comes back where it was, to less than what is shown by a pixel."""
    print("seed", SEED)
    rng = np.random.default_rng(SEED)
    for _ in range(25):
        height, width = (int(side) for side in rng.integers(200, 500, 2))
        shown = ShownSize.of(height, width, int(rng.integers(100, max(height, width))))
        y, x = np.mgrid[:height, :width]
        radius, cx, cy = rng.uniform(20, 90), rng.uniform(0, width), rng.uniform(0, height)
        mask = (x - cx) ** 2 + (y - cy) ** 2 < radius**2
        one = np.ones(1, np.float32)
        logits = np.zeros((1, 4, 4), np.float32)
        there = shown.prompt(Prompt(mask=mask)).mask
        back = shown.masks(Masks(there[None], one, one, logits, ("disc",)))
        assert (back.logits is logits, back.labels) == (True, ("disc",))
        assert back.masks.shape == (1, height, width)
        coarse = max(height / shown.rows, width / shown.columns)
        away = np.abs(np.hypot(x - cx, y - cy) - radius) > 0.75 * coarse + 0.5
        assert np.array_equal(back.masks[0][away], mask[away])
        inner = radius < min(cx, cy, width - cx, height - cy)
        assert not inner or abs(back.masks[0].sum() / mask.sum() - 1) < 0.03


def test_objects_are_those_that_whole_masks_would_be():
    print("seed", SEED)
    rng = np.random.default_rng(SEED)
    shown = ShownSize(301, 402, 100, 134)
    masks = np.zeros((30, 100, 134), np.bool_)
    for mask in masks:
        cv2.circle(
            mask.view(np.uint8), tuple(int(at) for at in rng.integers(0, 130, 2)), int(rng.integers(0, 40)), 1, -1
        )
    masks = masks[masks.any(axis=(1, 2))]
    objects = []
    for mask in masks:
        bbox, patch = geometry.window(mask)
        objects.append(FoundObject(bbox, patch, int(mask.sum()), 0.5, 0.5, (0.0, 99.0), (0, 0, 134, 100)))
    ones = np.ones(len(masks), np.float32)
    full = shown.masks(Masks(masks, ones, ones)).masks
    back = shown.found(objects, DEFAULT_EVERYTHING)
    assert [one.area for one in back] == sorted((int(mask.sum()) for mask in full), reverse=True)
    wanted = {geometry.bbox(mask): mask for mask in full}
    for one in back:
        assert np.array_equal(one.full(301, 402), wanted[one.bbox])
        assert one.crop_box == (0, 0, 402, 301)
        assert one.point == pytest.approx((1.0, 298.995))
    fewer = shown.found(objects, EverythingSettings(min_area=3000, max_masks=5))
    assert [one.area for one in fewer] == [one.area for one in back if one.area >= 3000][:5]


def test_crops_and_points_of_objects():
    shown = ShownSize(200, 300, 100, 150)
    patch = np.ones((2, 3), np.bool_)
    one = FoundObject((40, 60, 3, 2), patch, 6, 0.5, 0.5, (40.0, 60.5), (50, 33, 100, 67))
    back = shown.object(one)
    assert (back.bbox, back.area, back.patch.all()) == ((80, 120, 6, 4), 24, True)
    assert back.point == (80.5, 121.5)
    assert back.crop_box == (100, 66, 200, 134)


def test_areas_are_in_pixels_of_what_is_shown():
    there = ShownSize(200, 300, 100, 150).settings(
        EverythingSettings(min_mask_region_area=101, min_area=80, max_masks=3, points_per_side=5)
    )
    # Fewer than 101 pixels of the image are fewer than 26 of what is shown.
    assert (there.min_mask_region_area, there.min_area, there.max_masks, there.points_per_side) == (26, 10, 0, 5)
    assert ShownSize(200, 300, 100, 150).settings(DEFAULT_EVERYTHING) == DEFAULT_EVERYTHING
