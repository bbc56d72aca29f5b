"""COCO polygons, rasterised here and by pycocotools."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from maskbus_wire import polygon

# pycocotools' own decoder, under numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def by_coco(rings, height, width):
    return coco.decode(coco.merge(coco.frPyObjects(rings, height, width))).astype(np.bool_)


def iou(first, second):
    return np.count_nonzero(first & second) / np.count_nonzero(first | second)


def check(mask, *, exact=False):
    rings = polygon.encode(mask)
    if not mask.any():
        assert rings == []
        assert not polygon.decode(rings, *mask.shape).any()
        return rings
    for ring in rings:
        assert len(ring) >= 6
        assert len(ring) % 2 == 0
        assert all(type(value) is float for value in ring)
    ours, theirs = polygon.decode(rings, *mask.shape), by_coco(rings, *mask.shape)
    assert ours.dtype == np.bool_
    assert iou(ours, mask) >= (1 if exact else 0.98)
    assert iou(theirs, mask) >= (1 if exact else 0.98)
    return rings


def drawing(rng):
    canvas = np.zeros(rng.integers(20, 200, 2), np.uint8)
    height, width = canvas.shape
    for _ in range(rng.integers(1, 6)):
        x0, x1 = (int(value) for value in rng.integers(-10, width + 10, 2))
        y0, y1 = (int(value) for value in rng.integers(-10, height + 10, 2))
        value = int(rng.random() < 0.75)
        kind = rng.integers(3)
        if kind == 0:
            cv2.line(canvas, (x0, y0), (x1, y1), value, int(rng.integers(1, 4)))
        elif kind == 1:
            cv2.circle(canvas, (x0, y0), int(rng.integers(1, 60)), value, int(rng.choice([-1, 1, 3])))
        else:
            cv2.rectangle(canvas, (x0, y0), (x1, y1), value, -1)
    return canvas.astype(np.bool_)


def test_drawings():
    seed = 41
    print("seed", seed)
    rng = np.random.default_rng(seed)
    for _ in range(300):
        check(drawing(rng))


def test_speckle_and_blobs():
    seed = 43
    print("seed", seed)
    rng = np.random.default_rng(seed)
    for _ in range(200):
        mask = rng.random(rng.integers(1, 40, 2)) < rng.choice([0.02, 0.1, 0.5, 0.9, 0.98])
        check(mask)
        check(np.kron(mask[:9, :9], np.ones((9, 5), np.bool_)))
        smooth = cv2.GaussianBlur(rng.random((90, 120)).astype(np.float32), (0, 0), 3)
        check(smooth > rng.choice([0.48, 0.5, 0.52]))


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8)))
def test_small_masks_are_exact(mask):
    check(mask, exact=True)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 5), (64, 48)])
def test_full_and_empty_masks(shape):
    full = check(np.ones(shape, np.bool_), exact=True)
    assert len(full) == 1
    assert len(full[0]) == 8
    check(np.zeros(shape, np.bool_))


@pytest.mark.parametrize("kind", ["diagonal", "back", "checkers", "row", "column", "dot", "frame", "frames", "corners"])
def test_shapes_that_are_hard(kind):
    mask = np.zeros((41, 53), np.bool_)
    if kind == "diagonal":
        np.fill_diagonal(mask, True)
    elif kind == "back":
        np.fill_diagonal(mask[:, ::-1], True)
    elif kind == "checkers":
        mask[::2, ::2] = mask[1::2, 1::2] = True
    elif kind == "row":
        mask[17] = True
    elif kind == "column":
        mask[:, 17] = True
    elif kind == "dot":
        mask[40, 52] = True
    elif kind == "frame":
        mask[[0, -1]] = mask[:, [0, -1]] = True
    elif kind == "frames":
        for step in range(0, 20, 2):
            mask[step : 41 - step, step : 53 - step] = True
            mask[step + 1 : 40 - step, step + 1 : 52 - step] = False
    elif kind == "corners":
        mask[5:15, 5:15] = mask[15:25, 15:25] = mask[25:35, 5:15] = True
    check(mask, exact=True)


def test_holes_are_joined_to_one_ring():
    mask = np.ones((30, 40), np.bool_)
    mask[5:9, 4:9] = mask[5:9, 20:22] = mask[5:12, 30:39] = mask[20:25, 3:30] = False
    assert len(check(mask, exact=True)) == 1
    mask[22, 10:12] = True
    assert len(check(mask, exact=True)) == 2


def test_an_ordinary_blob_is_compact():
    y, x = np.mgrid[:1080, :1920]
    mask = (x - 960) ** 2 / 600**2 + (y - 540) ** 2 / 400**2 < 1
    mask &= (x - 800) ** 2 + (y - 500) ** 2 > 100**2
    rings = check(mask)
    assert len(rings) == 1
    assert len(rings[0]) / 2 < 400
    assert iou(polygon.decode(rings, 1080, 1920), mask) > 0.997


def test_a_large_piece_does_not_ruin_a_small_one():
    y, x = np.mgrid[:600, :800]
    small = (x - 30) ** 2 + (y - 30) ** 2 < 5**2
    line = (y == 590) & (x > 20) & (x < 90)
    mask = small | line | ((x - 400) ** 2 + (y - 300) ** 2 < 250**2)
    decoded = polygon.decode(check(mask), 600, 800)
    for piece, window in ((small, np.s_[:60, :60]), (line, np.s_[580:, :100])):
        assert iou(decoded[window], piece[window]) >= 0.95


def test_views_that_are_not_contiguous():
    mask = drawing(np.random.default_rng(9))
    for view in (mask.T, mask[:, ::2], mask[::-1]):
        assert polygon.encode(view) == polygon.encode(np.ascontiguousarray(view))


def test_decode_takes_a_pixel_by_its_centre():
    # The slanted edge of this triangle passes x = y; centres on it count for the lower left.
    decoded = polygon.decode([[0, 0, 4, 4, 0, 4]], 4, 4)
    assert np.array_equal(decoded, np.tri(4, dtype=np.bool_))


def test_decode_takes_the_union_of_rings_and_the_parity_of_one():
    square, inner = [1, 1, 5, 1, 5, 5, 1, 5], [2, 2, 4, 2, 4, 4, 2, 4]
    both = polygon.decode([square, inner], 6, 6)
    assert both.sum() == 16
    ring = [1, 1, 5, 1, 5, 5, 1, 5, 1, 1, 2, 2, 2, 4, 4, 4, 4, 2, 2, 2]
    assert polygon.decode([ring], 6, 6).sum() == 12


def test_decode_cuts_off_what_lies_outside():
    decoded = polygon.decode([[-100, -100, 3, -100, 3, 200, -100, 200]], 5, 6)
    assert np.array_equal(np.flatnonzero(decoded.any(axis=0)), [0, 1, 2])
    assert decoded[:, :3].all()
    assert not polygon.decode([[10, 10, 20, 10, 20, 20]], 5, 6).any()


@settings(max_examples=200, deadline=None)
@given(
    hnp.arrays(
        np.float64, st.tuples(st.integers(3, 8), st.just(2)), elements=st.floats(-5, 25).map(lambda v: round(v, 2))
    )
)
def test_decode_equals_a_point_in_polygon_test(points):
    height, width = 17, 19
    decoded = polygon.decode([points.ravel().tolist()], height, width)
    # Count the crossings of the ray upwards from each centre, edge by edge.
    y, x = np.mgrid[:height, :width] + 0.5
    inside = np.zeros((height, width), np.bool_)
    near = np.zeros((height, width), np.bool_)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        spans = (np.minimum(x0, x1) <= x) & (x < np.maximum(x0, x1))
        crossing = y0 + (x - x0) * ((y1 - y0) / (x1 - x0)) if x0 != x1 else np.full_like(x, np.inf)
        inside ^= spans & (crossing <= y)
        near |= spans & (np.abs(crossing - y) < 1e-9)
    assert np.array_equal(decoded[~near], inside[~near])


@pytest.mark.parametrize(
    "rings",
    [
        [[]],
        [[0, 0, 1, 1]],
        [[0, 0, 1, 1, 2]],
        [[0, 0, 1, 1, 2, 2, 3]],
        [[0, 0, 1, 1, 2, float("nan")]],
        [[0, 0, 1, 1, 2, float("inf")]],
        [[0, 0, 1, 1, 2, 1e300]],
        [[0, 0, 1, 1, 2, 10**400]],
        [["0", "0", "1", "1", "2", "0"]],
        [[0, 0, 1, 1, 2, None]],
        [[[0, 0], [1, 1], [2, 0]]],
        [[0, 0, 1, [1], 2, 0]],
        [[True, False, True, True, False, False]],
        [5],
    ],
)
def test_malformed_rings(rings):
    with pytest.raises(ValueError, match="ring"):
        polygon.decode(rings, 10, 10)


def test_work_is_bounded_by_the_picture():
    zigzag = [value for step in range(20_000) for value in ((0, step % 7), (500, step % 5))]
    with pytest.raises(ValueError, match="crosses more"):
        polygon.decode([[float(v) for point in zigzag for v in point]], 100, 500)


def test_many_edges_over_few_pixels():
    comb = [float(value) for step in range(2000) for value in ((0, step % 3), (20, 1 - step % 2))[step % 2]]
    assert polygon.decode([comb], 1, 20).shape == (1, 20)


def test_sides_and_arrays_that_are_refused():
    with pytest.raises(ValueError, match="no pixels"):
        polygon.decode([], 0, 5)
    with pytest.raises(ValueError, match="bool array"):
        polygon.encode(np.zeros((2, 2), np.uint8))
