"""The GrabCut handler on scenes made here, where the truth is known."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("cv2")

from maskbus.contract import FreeJob
from maskbus.handlers.grabcut import GrabCutHandler
from maskbus.interfaces import (
    BadPrompt,
    DecodeOptions,
    HandlerError,
    Image,
    JobAborted,
    LoadContext,
    Masks,
    Prompt,
    UnsupportedPrompt,
)
from support.cancelled_after import CancelledAfter


@pytest.fixture(scope="module")
def handler() -> GrabCutHandler:
    return GrabCutHandler(LoadContext("grabcut"))


def scene(height: int = 240, width: int = 360, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """An orange ellipse, left above the middle, on a bluish and noisy ground with a green square at the right."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    truth = ((columns - 0.3 * width) / (0.16 * width)) ** 2 + ((rows - 0.4 * height) / (0.25 * height)) ** 2 < 1
    rgb = np.empty((height, width, 3))
    rgb[:] = 60, 80, 150
    rgb += (25 * np.sin(columns / 9.0) * np.sin(rows / 7.0))[..., None]
    rgb[int(0.6 * height) : int(0.85 * height), int(0.7 * width) : int(0.9 * width)] = 40, 160, 60
    rgb[truth] = 225, 130, 40
    rgb += random.normal(0, 6, rgb.shape)
    return np.clip(rgb, 0, 255).astype(np.uint8), truth


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


def clicks(*points: tuple[float, float, int], **more: object) -> Prompt:
    array = np.array(points, np.float32).reshape(-1, 3)
    return Prompt(points=array[:, :2].copy(), labels=array[:, 2].astype(np.int8), **more)  # type: ignore[arg-type]


def boxes(*rows: tuple[float, float, float, float], **more: object) -> Prompt:
    return Prompt(boxes=np.array(rows, np.float32), **more)  # type: ignore[arg-type]


def box_of(truth: np.ndarray) -> tuple[float, float, float, float]:
    ys, xs = np.nonzero(truth)
    return float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max())


def ask(
    handler: GrabCutHandler, pixels: np.ndarray, prompt: Prompt, order: str = "rgb", multimask: bool = False
) -> Masks:
    embedding = handler.embed([Image(pixels, order)], FreeJob())[0]
    masks = handler.decode(embedding, prompt, DecodeOptions(multimask=multimask), FreeJob())
    assert_sane(masks, pixels)
    return masks


def assert_sane(masks: Masks, pixels: np.ndarray) -> None:
    assert masks.masks.dtype == np.bool_
    assert masks.masks.shape[1:] == pixels.shape[:2]
    for score in (masks.predicted_iou, masks.stability_score):
        assert score.dtype == np.float32
        assert score.shape == (len(masks),)
        assert np.isfinite(score).all()
        assert ((score >= 0) & (score <= 1)).all()


SIZES = [(120, 180), (240, 360), (360, 240), (700, 1000)]


@pytest.mark.parametrize("size", SIZES)
def test_one_click_finds_the_object_where_it_is(handler: GrabCutHandler, size: tuple[int, int]) -> None:
    rgb, truth = scene(*size)
    mask = ask(handler, rgb, clicks((0.3 * size[1], 0.4 * size[0], 1))).masks[0]
    assert iou(mask, truth) > 0.93
    assert iou(mask, truth) > max(iou(np.roll(mask, by, axis), truth) for by in (-3, 3) for axis in (0, 1))


@pytest.mark.parametrize("size", SIZES)
def test_a_box_finds_the_object_in_it(handler: GrabCutHandler, size: tuple[int, int]) -> None:
    rgb, truth = scene(*size)
    masks = ask(handler, rgb, boxes(box_of(truth)))
    assert len(masks) == 1
    assert iou(masks.masks[0], truth) > 0.93


def test_edges_are_smooth_at_full_resolution(handler: GrabCutHandler) -> None:
    rgb, truth = scene(1200, 1800)
    mask = ask(handler, rgb, boxes(box_of(truth))).masks[0]
    assert iou(mask, truth) > 0.98


def test_several_boxes_answer_in_their_order(handler: GrabCutHandler) -> None:
    rgb, truth = scene()
    square = np.zeros_like(truth)
    square[144:204, 252:324] = True
    masks = ask(handler, rgb, boxes(box_of(square), box_of(truth))).masks
    assert len(masks) == 2
    assert iou(masks[0], square) > 0.9
    assert iou(masks[1], truth) > 0.9


def test_the_colour_order_makes_no_difference(handler: GrabCutHandler) -> None:
    rgb, truth = scene()
    prompt = boxes(box_of(truth))
    one = ask(handler, rgb, prompt).masks
    other = ask(handler, np.ascontiguousarray(rgb[..., ::-1]), prompt, "bgr").masks
    assert np.array_equal(one, other)


def test_a_grey_picture_works(handler: GrabCutHandler) -> None:
    rgb, truth = scene()
    grey = np.ascontiguousarray(rgb[..., 0])
    assert iou(ask(handler, grey, boxes(box_of(truth)), "mono").masks[0], truth) > 0.9


@pytest.mark.parametrize("flip", [0, 1])
def test_a_mirrored_picture_gets_a_mirrored_mask(handler: GrabCutHandler, flip: int) -> None:
    rgb, truth = scene()
    mirrored = np.ascontiguousarray(np.flip(truth, flip))
    mask = ask(handler, np.ascontiguousarray(np.flip(rgb, flip)), boxes(box_of(mirrored))).masks[0]
    assert iou(mask, mirrored) > 0.93


def test_a_mask_is_refined(handler: GrabCutHandler) -> None:
    rgb, truth = scene()
    rough = np.zeros_like(truth)
    left, top, right, bottom = (int(value) for value in box_of(truth))
    rough[top + 15 : bottom - 4, left + 10 : right + 8] = True
    mask = ask(handler, rgb, Prompt(mask=rough)).masks[0]
    assert iou(mask, truth) > max(iou(rough, truth) + 0.05, 0.9)


def test_clicks_correct_a_mask(handler: GrabCutHandler) -> None:
    rgb, truth = scene()
    wrong = truth.copy()
    wrong[144:204, 252:324] = True
    mask = ask(handler, rgb, clicks((108, 96, 1), (288, 174, 0), mask=wrong)).masks[0]
    assert iou(mask, truth) > 0.9
    both = ask(handler, rgb, clicks((108, 96, 1), (288, 174, 1), mask=truth)).masks[0]
    assert iou(both, wrong) > 0.85


def test_a_wrong_part_that_is_clicked_goes_as_a_whole(handler: GrabCutHandler) -> None:
    rgb, truth = scene()
    wrong = truth.copy()
    wrong[144:204, 252:324] = True
    bridge = wrong.copy()
    bridge[150:160, 100:260] = True
    for mask in (wrong, bridge):
        for where in ((288, 174), (258, 150)):
            answer = ask(handler, rgb, clicks((108, 96, 1), (*where, 0), mask=mask)).masks[0]
            assert (answer & wrong & ~truth).sum() < 0.05 * (wrong & ~truth).sum()
            assert (answer & truth).sum() > 0.9 * truth.sum()


def blurred_noise(seed: int) -> np.ndarray:
    """A picture of soft blobs without any object: where clicks go wrong most."""
    import cv2

    noise = np.random.default_rng(seed).random((150, 220, 3))
    soft = cv2.GaussianBlur(noise, (0, 0), 7)
    return np.clip((soft - 0.5) * 1200 + 128, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("start", ["clicks", "mask", "box"])
def test_each_click_changes_the_answer_its_own_way_only(handler: GrabCutHandler, seed: int, start: str) -> None:
    rgb = blurred_noise(seed)
    random = np.random.default_rng(seed)
    embedding = handler.embed([Image(rgb)], FreeJob())[0]
    points = np.column_stack([random.integers(0, 220, 7), random.integers(0, 150, 7)]).astype(np.float32)
    labels = np.array([1, 0, 0, 1, 0, 1, 0], np.int8)
    box = np.array([[0, 0, 219, 149]], np.float32) if start == "box" else np.zeros((0, 4), np.float32)
    before: np.ndarray | None = None
    for count in range(1, len(points) + 1):
        mask = before if start == "mask" else None
        prompt = Prompt(points=points[:count], labels=labels[:count], boxes=box, mask=mask)
        after = handler.decode(embedding, prompt, DecodeOptions(), FreeJob()).masks[0]
        if before is not None:
            changed = before & ~after if labels[count - 1] else after & ~before
            assert not changed.any(), count
        before = after


def test_clicks_without_a_mask_end_where_clicks_with_the_mask_end(handler: GrabCutHandler) -> None:
    rgb = blurred_noise(9)
    points = [(110, 75, 1), (110, 76, 1), (60, 40, 0), (180, 30, 1), (115, 95, 0)]
    mask: np.ndarray | None = None
    for count in range(1, len(points) + 1):
        mask = ask(handler, rgb, clicks(*points[:count], mask=mask)).masks[0]
    assert iou(ask(handler, rgb, clicks(*points)).masks[0], mask) > 0.95


def test_a_click_that_is_obeyed_already_changes_nothing(handler: GrabCutHandler) -> None:
    pictures = pytest.importorskip("skimage.data")
    rgb = pictures.coffee()
    one = ask(handler, rgb, clicks((300, 60, 1)))
    other = ask(handler, rgb, clicks((300, 60, 1), (430, 250, 0)))
    assert one.masks.any()
    assert np.array_equal(one.masks, other.masks)


def test_many_clicks_take_no_more_steps_than_some(handler: GrabCutHandler) -> None:
    rgb = blurred_noise(2)
    embedding = handler.embed([Image(rgb)], FreeJob())[0]
    random = np.random.default_rng(0)
    job = CancelledAfter(100)
    points = np.column_stack([random.integers(0, 220, 200), random.integers(0, 150, 200)]).astype(np.float32)
    labels = np.arange(1, 201, dtype=np.int8) % 2
    handler.decode(embedding, Prompt(points=points, labels=labels), DecodeOptions(), job)
    assert job.left > 80
    with pytest.raises(JobAborted):
        handler.decode(embedding, Prompt(points=points, labels=labels), DecodeOptions(), CancelledAfter(5))


def test_a_box_gets_a_mask_even_where_colours_tell_nothing(handler: GrabCutHandler) -> None:
    pictures = pytest.importorskip("skimage.data")
    masks = ask(handler, pictures.camera(), boxes((100, 100, 300, 300)), "mono")
    assert masks.masks[0, 100:301, 100:301].mean() > 0.2
    flat = np.full((90, 120, 3), 100, np.uint8)
    assert ask(handler, flat, boxes((20, 20, 80, 70))).masks[0].any()


def test_an_empty_mask_is_not_trusted(handler: GrabCutHandler) -> None:
    rgb, _ = scene(60, 90)
    everything = np.ones((60, 90), np.bool_)
    corners = [(x, y, 0) for x in range(0, 90, 3) for y in range(0, 60, 3)]
    masks = ask(handler, rgb, clicks(*corners, mask=everything))
    for mask, estimate in zip(masks.masks, masks.predicted_iou, strict=True):
        assert mask.any() or estimate == 0


def test_clicks_are_obeyed_to_the_pixel(handler: GrabCutHandler) -> None:
    rgb, truth = scene(500, 700)
    random = np.random.default_rng(1)
    points = np.unique(random.integers(0, (700, 500), (100, 2)), axis=0)
    for labels in (truth[points[:, 1], points[:, 0]], random.integers(0, 2, len(points)).astype(bool)):
        prompt = Prompt(points=points.astype(np.float32), labels=labels.astype(np.int8))
        mask = ask(handler, rgb, prompt).masks[0]
        assert np.array_equal(mask[points[:, 1], points[:, 0]], labels)


def test_a_box_and_clicks_go_together(handler: GrabCutHandler) -> None:
    rgb, truth = scene()
    mask = ask(handler, rgb, clicks((108, 96, 1), (20, 20, 0), boxes=np.array([box_of(truth)], np.float32))).masks[0]
    assert iou(mask, truth) > 0.93
    left, top = box_of(truth)[:2]
    only_background = clicks((left + 1, top + 1, 0), boxes=np.array([box_of(truth)], np.float32))
    mask = ask(handler, rgb, only_background).masks[0]
    assert not mask[int(top) + 1, int(left) + 1]
    assert iou(mask, truth) > 0.9


def test_a_box_and_a_mask_go_together(handler: GrabCutHandler) -> None:
    rgb, truth = scene()
    mask = ask(handler, rgb, boxes(box_of(truth), mask=truth)).masks[0]
    assert iou(mask, truth) > 0.9


def test_the_answer_stays_in_the_box(handler: GrabCutHandler) -> None:
    rgb, truth = scene(700, 1000)
    left, top, right, bottom = box_of(truth)
    middle = (left + right) // 2
    mask = ask(handler, rgb, boxes((left, top, middle, bottom))).masks[0]
    # The box is enforced on the working copy, so an answer may end some pixels further out.
    assert not mask[:, int(middle) + 8 :].any()


def test_multimask_offers_different_masks_best_first(handler: GrabCutHandler) -> None:
    rgb, _ = scene()
    rgb[80:112, 90:126] = 250, 220, 200
    masks = ask(handler, rgb, clicks((108, 96, 1)), multimask=True)
    assert 1 <= len(masks) <= 3
    assert all(iou(masks.masks[i], masks.masks[j]) < 1 for i in range(len(masks)) for j in range(i))
    assert (np.diff(masks.predicted_iou) <= 1e-6).all()
    assert masks.masks[:, 96, 108].all()


def test_without_multimask_there_is_one(handler: GrabCutHandler) -> None:
    rgb, _ = scene()
    assert len(ask(handler, rgb, clicks((108, 96, 1)))) == 1


def test_the_same_question_gets_the_same_answer(handler: GrabCutHandler) -> None:
    import cv2

    rgb, truth = scene(seed=3)
    for prompt in (clicks((108, 96, 1)), boxes(box_of(truth))):
        cv2.setRNGSeed(1)
        first = ask(handler, rgb, prompt)
        cv2.setRNGSeed(99)
        second = ask(handler, rgb, prompt)
        assert np.array_equal(first.masks, second.masks)
        assert np.array_equal(first.predicted_iou, second.predicted_iou)


def test_nothing_given_is_written_and_nothing_borrowed_is_kept(handler: GrabCutHandler) -> None:
    for order, pixels in (("bgr", scene(500, 700)[0]), ("rgb", scene(60, 90)[0]), ("mono", scene(60, 90)[0][..., 0])):
        shared = pixels.copy()
        shared.flags.writeable = False
        height, width = shared.shape[:2]
        prompt = clicks((0.3 * width, 0.4 * height, 1), mask=np.ones((height, width), np.bool_))
        for array in (prompt.points, prompt.labels, prompt.mask):
            assert array is not None
            array.flags.writeable = False
        embedding = handler.embed([Image(shared, order)], FreeJob())[0]
        before = handler.decode(embedding, prompt, DecodeOptions(), FreeJob()).masks
        shared.flags.writeable = True
        shared[:] = 255 - shared
        assert np.array_equal(handler.decode(embedding, prompt, DecodeOptions(), FreeJob()).masks, before)


def test_nbytes_counts_at_least_the_picture(handler: GrabCutHandler) -> None:
    rgb, _ = scene(500, 700)
    embedding = handler.embed([Image(rgb)], FreeJob())[0]
    kept = [*vars(embedding).values(), *vars(embedding.pixels).values()]
    held = [value for value in kept if isinstance(value, np.ndarray)]
    assert embedding.nbytes == sum(value.nbytes for value in held)
    assert embedding.nbytes > rgb.nbytes
    # An array that is a view would hold more than it counts.
    assert all(value.base is None or value.base.nbytes <= value.nbytes for value in held)


def test_several_images_at_once(handler: GrabCutHandler) -> None:
    first, truth = scene()
    second, other = scene(360, 240)
    embeddings = handler.embed([Image(first), Image(second)], FreeJob())
    for embedding, target in zip(embeddings, (truth, other), strict=True):
        masks = handler.decode(embedding, boxes(box_of(target)), DecodeOptions(), FreeJob())
        assert iou(masks.masks[0], target) > 0.93


def test_prompts_it_cannot_use_are_refused(handler: GrabCutHandler) -> None:
    rgb, truth = scene(60, 90)
    for prompt in (Prompt(), Prompt(texts=("cat",)), Prompt(logits=np.zeros((8, 8), np.float32))):
        with pytest.raises(UnsupportedPrompt):
            ask(handler, rgb, prompt)
    with pytest.raises(BadPrompt, match="background"):
        ask(handler, rgb, clicks((3, 3, 0), (5, 5, 0)))
    with pytest.raises(BadPrompt, match="empty"):
        ask(handler, rgb, Prompt(mask=np.zeros_like(truth)))


def test_a_cancelled_job_stops(handler: GrabCutHandler) -> None:
    rgb, truth = scene(60, 90)
    with pytest.raises(JobAborted):
        handler.embed([Image(rgb)], CancelledAfter(0))
    embedding = handler.embed([Image(rgb)], FreeJob())[0]
    for allowed in (0, 1, 2):
        with pytest.raises(JobAborted):
            handler.decode(embedding, boxes(box_of(truth)), DecodeOptions(), CancelledAfter(allowed))


ODD_SHAPES = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 5), (1, 8000), (8000, 1), (7, 900), (11, 11)]


@pytest.mark.parametrize("shape", ODD_SHAPES)
@pytest.mark.parametrize("kind", ["flat", "noise", "grey"])
def test_odd_pictures_get_sane_answers(handler: GrabCutHandler, shape: tuple[int, int], kind: str) -> None:
    height, width = shape
    pixels = np.full((height, width, 3), 128, np.uint8)
    if kind != "flat":
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    if kind == "grey":
        pixels = np.ascontiguousarray(pixels[..., 0])
    order = "mono" if kind == "grey" else "rgb"
    embedding = handler.embed([Image(pixels, order)], FreeJob())[0]
    right, bottom = width - 1.0, height - 1.0
    corner = (right, bottom, 1)
    everything = np.ones(shape, np.bool_)
    prompts = [
        clicks(corner),
        clicks((0, 0, 1)),
        clicks(corner, (0, 0, 0)),
        clicks(corner, (right, bottom, 0)),
        clicks((right, bottom, 0), mask=everything),
        clicks(corner, mask=~everything),
        Prompt(mask=everything),
        boxes((0.0, 0.0, max(right, 0.5), max(bottom, 0.5))),
        boxes((right / 2, bottom / 2, right / 2 + 0.25, bottom / 2 + 0.25)),
        clicks(corner, boxes=np.array([[0, 0, max(right / 2, 0.5), max(bottom / 2, 0.5)]], np.float32)),
    ]
    for prompt in prompts:
        masks = handler.decode(embedding, prompt, DecodeOptions(multimask=True), FreeJob())
        assert_sane(masks, pixels)
        assert len(masks) >= 1
        contradictory = len(np.unique(prompt.points, axis=0)) < len(prompt.points)
        for (x, y), label in zip(prompt.points, prompt.labels, strict=True):
            assert contradictory or masks.masks[0][int(y), int(x)] == label


@pytest.mark.parametrize("corner", [(0, 0), (359, 0), (0, 239), (359, 239)])
def test_a_click_in_a_corner(handler: GrabCutHandler, corner: tuple[int, int]) -> None:
    rgb, _ = scene()
    mask = ask(handler, rgb, clicks((*corner, 1))).masks[0]
    assert mask[corner[1], corner[0]]


def test_a_box_of_one_pixel_and_one_of_everything(handler: GrabCutHandler) -> None:
    rgb, _ = scene()
    assert ask(handler, rgb, boxes((10, 10, 10.5, 10.5))).masks.sum() < 30
    ask(handler, rgb, boxes((0, 0, 359, 239)))


def test_random_prompts_never_fail_otherwise(handler: GrabCutHandler) -> None:
    random = np.random.default_rng(5)
    rgb, truth = scene(90, 130)
    embedding = handler.embed([Image(rgb)], FreeJob())[0]
    for _ in range(25):
        count = int(random.integers(0, 6))
        points = random.random((count, 2)).astype(np.float32) * np.float32([129, 89])
        corners = np.sort(random.random((2, 2)).astype(np.float32) * np.float32([129, 89]), axis=0)
        prompt = Prompt(
            points=points,
            labels=random.integers(0, 2, count).astype(np.int8),
            boxes=corners.reshape(1, 4) if random.random() < 0.4 else np.zeros((0, 4), np.float32),
            mask=np.roll(truth, 20, 1) if random.random() < 0.4 else None,
        )
        try:
            assert_sane(handler.decode(embedding, prompt, DecodeOptions(multimask=True), FreeJob()), rgb)
        except HandlerError:
            continue


def test_importing_the_module_is_cheap() -> None:
    code = "import sys, maskbus.handlers.grabcut; sys.exit('cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
