"""From the network's answers to masks that lie where they should."""

from __future__ import annotations

import random

import numpy as np
import pytest

from maskbus.handlers.fastsam_letterbox import Letterbox
from maskbus.handlers.fastsam_proposals import Proposals, distinct, proposals

SQUARE = Letterbox(256, 256, 256, 256)


def answers(*objects: tuple[float, ...], masks: int = 2) -> np.ndarray:
    """Return predictions of x0, y0, x1, y1, confidence and coefficients, which are 0 where they are left out."""
    found = np.zeros((len(objects), 5 + masks), np.float32)
    for row, (x0, y0, x1, y1, *rest) in zip(found, objects, strict=True):
        row[:4] = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
        row[4 : 4 + len(rest)] = rest
    return found.T


def ramps(frame: Letterbox, cells: int = 4) -> np.ndarray:
    """Return prototypes: each cell's column and row in pixels of the input, and 1."""
    rows, columns = frame.input_height // cells, frame.input_width // cells
    row, column = np.mgrid[:rows, :columns].astype(np.float32) * cells + cells / 2
    return np.stack([column, row, np.ones_like(row)])


def read(predictions: np.ndarray, prototypes: np.ndarray, frame: Letterbox, **options: float) -> Proposals:
    return proposals(predictions, prototypes, frame, **{"conf": 0.4, "iou": 0.9, "max_det": 300, **options})  # type: ignore[arg-type]


def test_a_mask_lies_where_its_logits_do_whatever_the_photo() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = np.random.default_rng(seed)
    for _ in range(40):
        height, width = chance.integers(40, 1500, 2).tolist()
        side = int(chance.choice([256, 640, 1024]))
        frame = Letterbox(height, width, side, side) if chance.random() < 0.5 else Letterbox.around(height, width, side)
        (rows, columns), (top, left) = frame.scaled, frame.corner
        x, y = chance.uniform(0.2, 0.8, 2) * (columns, rows) + (left, top)
        everywhere = (0, 0, frame.input_width, frame.input_height)
        # Everything right of x; everything below y: one object each.
        right, below = (*everywhere, 0.9, 1, 0, -x), (*everywhere, 0.8, 0, 1, -y)
        found = read(answers(right, below, masks=3), ramps(frame), frame, iou=1.0)
        cut = found.cut(0, 1.0)
        assert (cut.x, cut.y, cut.mask.shape) == (0, 0, (height, width))
        first = int(np.argmax(cut.mask[height // 2]))
        assert cut.mask[:, first:].all()
        assert not cut.mask[:, :first].any()
        # The first pixel whose centre is right of it; a sample of the logits lies within 1/32 of a cell.
        edge = (x - left) * width / columns - 0.5
        slack = 1e-3 + 4 / 32 * width / columns
        assert edge - slack <= first <= edge + 1 + slack, (height, width, frame)
        cut = found.cut(1, 1.0)
        first = int(np.argmax(cut.mask[:, width // 2]))
        edge = (y - top) * height / rows - 0.5
        slack = 1e-3 + 4 / 32 * height / rows
        assert edge - slack <= first <= edge + 1 + slack, (height, width, frame)


def test_logits_at_single_pixels_are_those_of_the_mask() -> None:
    chance = np.random.default_rng(3)
    frame = Letterbox(97, 133, 256, 256)
    prototypes = chance.standard_normal((2, 64, 64)).astype(np.float32)
    found = read(answers((0, 0, 256, 256, 0.9, 1, 0.5)), prototypes, frame)
    mask = found.cut(0, 1.0).mask
    pixels = np.stack(np.meshgrid(np.arange(133), np.arange(97)), -1).reshape(-1, 2)
    logits = found.logits_at(pixels, np.array([0]))[0].reshape(97, 133)
    sure = np.abs(logits) > 0.3
    assert sure.mean() > 0.5
    assert ((logits > 0) == mask)[sure].all()


def test_a_mask_ends_where_its_box_does() -> None:
    (x0, y0, x1, y1) = 10.4, 20, 99.6, 200.5
    found = read(answers((x0, y0, x1, y1, 0.9, 0, 1)), np.ones((2, 64, 64), np.float32), SQUARE)
    cut = found.cut(0, 0.5)
    assert (cut.x, cut.y, cut.mask.shape) == (11, 20, (181, 89))
    assert cut.mask.all()
    assert cut.stability == 1
    assert cut.has((11, 20))
    assert cut.has((99, 200))
    assert not cut.has((10, 20))
    assert not cut.has((100, 200))
    assert found.share(0) == pytest.approx(181 * 89 / 256**2, abs=0.02)
    assert found.cut(0, 1.0).stability == 0  # the logits are all 1


def test_the_unsure_the_unreal_and_duplicates_are_left_out() -> None:
    found = read(
        answers(
            (0, 0, 100, 100, 0.5),
            (0, 0, 100, 99, 0.6),  # the same once more
            (0, 0, 100, 80, 0.55),
            (0, 0, 50, 50, 0.4),  # not above the threshold
            (0, 0, 40, 40, float("nan")),
            (0, float("inf"), 40, 40, 0.9),
            (300, 0, 400, 40, 0.9),  # beyond the photo
        ),
        np.zeros((2, 64, 64), np.float32),
        SQUARE,
    )
    assert found.confidence == pytest.approx([0.6, 0.55])
    assert found.boxes.tolist() == [[0, 0, 100, 99], [0, 0, 100, 80]]
    assert len(read(answers(), np.zeros((2, 64, 64), np.float32), SQUARE)) == 0


def test_of_many_boxes_the_most_confident_stay() -> None:
    chance = np.random.default_rng(5)
    corners = chance.uniform(0, 200, (500, 2))
    boxes = np.concatenate([corners, corners + chance.uniform(20, 56, (500, 2))], 1).astype(np.float32)
    kept = distinct(boxes, 0.5, 500)

    def iou(a: np.ndarray, b: np.ndarray) -> float:
        size = (np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(0)
        both = float(size.prod())
        return both / (float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - both)

    expected: list[int] = []
    for i, box in enumerate(boxes):
        if all(iou(box, boxes[j]) <= 0.5 for j in expected):
            expected.append(i)
    assert kept.tolist() == expected
    assert distinct(boxes, 0.5, 7).tolist() == expected[:7]


def test_only_what_shows_the_photo_is_kept_and_counted() -> None:
    frame = Letterbox(100, 400, 256, 256)
    found = read(answers((0, 0, 256, 256, 0.9)), np.zeros((2, 64, 64), np.float32), frame)
    assert found.prototypes.shape == (2, 16, 64)
    assert found.nbytes == sum(a.nbytes for a in vars(found).values() if isinstance(a, np.ndarray))
    assert found.prototypes.base is None  # a view would hold the whole
