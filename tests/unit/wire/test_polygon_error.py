"""Polygons with a largest error, and no more than so many of them."""

import cv2
import numpy as np
import pytest
from scipy import ndimage

from maskbus_wire import polygon

STEP = 0.5
"""Pixels between two points at which an outline is looked at."""


def edges(rings, *, bridges):
    """Return the edges (n, 2, 2) of rings, without those that are walked there and back."""
    found = []
    for ring in rings:
        points = np.reshape(ring, (-1, 2))
        found += [tuple(map(tuple, pair)) for pair in zip(points, np.roll(points, -1, axis=0), strict=True)]
    there = set(found)
    return np.array([(a, b) for a, b in found if a != b and (bridges or (b, a) not in there)])


def samples(lines):
    lengths = np.linalg.norm(lines[:, 1] - lines[:, 0], axis=1)
    return np.concatenate(
        [
            a + np.linspace(0, 1, int(np.ceil(n / STEP)) + 1)[:, None] * (b - a)
            for (a, b), n in zip(lines, lengths, strict=True)
        ]
    )


def farthest(points, lines):
    """Return how far the farthest point is from the nearest line."""
    a, b = lines[:, 0], lines[:, 1]
    d = b - a
    length = (d * d).sum(axis=1)
    most = 0.0
    for part in np.array_split(points, len(points) // 200 + 1):
        away = part[:, None] - a
        share = np.clip((away * d).sum(axis=2) / length, 0, 1)
        distance = np.linalg.norm(away - share[..., None] * d, axis=2)
        most = max(most, float(distance.min(axis=1).max()))
    return most


def outline(mask):
    """Return the cracks of a mask, each a pixel long, without asking the code that is tested."""
    padded = np.pad(mask, 1)
    y, x = np.nonzero(padded[1:-1, 1:] ^ padded[1:-1, :-1])
    upright = np.stack([np.stack([x, y], -1), np.stack([x, y + 1], -1)], 1)
    y, x = np.nonzero(padded[1:, 1:-1] ^ padded[:-1, 1:-1])
    level = np.stack([np.stack([x, y], -1), np.stack([x + 1, y], -1)], 1)
    return np.concatenate([upright, level]).astype(float)


def blobs(rng):
    """Return a mask of a few pieces with holes, whose outlines run in all directions."""
    noise = cv2.GaussianBlur(rng.random((50, 60)).astype(np.float32), (0, 0), rng.choice([1.5, 2.5, 5.0]))
    return noise > np.quantile(noise, rng.choice([0.3, 0.5, 0.8]))


def area(ring):
    x, y = np.reshape(ring, (-1, 2)).T
    return abs(float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())) / 2


def test_neither_outline_is_further_from_the_other():
    seed = 61
    print("seed", seed)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        mask = blobs(rng)
        limit = float(rng.choice([0.5, 1.0, 1.7, 3.0, 8.0, 30.0]))
        rings = polygon.encode(mask, max_error=limit)
        cracks, lines = outline(mask), edges(rings, bridges=False)
        # A triangle stays of each outline: what of it is an edge there and back has no length to speak of.
        assert farthest(samples(cracks), edges(rings, bridges=True)) <= limit + 1e-9
        assert farthest(samples(lines), cracks) <= limit + 1e-9


def test_fewer_points_the_larger_the_error():
    y, x = np.mgrid[:400, :500]
    mask = (x - 250) ** 2 + (y - 200) ** 2 < 150**2
    counts = [len(polygon.encode(mask, max_error=limit)[0]) // 2 for limit in (0.5, 1, 2, 4, 8, 16, 64)]
    assert counts == sorted(counts, reverse=True)
    assert counts[1] < 80
    assert counts[-1] == 3 or counts[-1] == 4
    # A circle needs so many edges that each of them lies within the error.
    assert counts[3] >= np.pi / np.arccos(1 - 2 * 4 / 150)


def test_every_piece_and_every_hole_stays():
    mask = np.zeros((120, 160), np.bool_)
    mask[10:100, 10:130] = True
    mask[20:23, 20:23] = mask[50:80, 40:90] = mask[60:62, 100:120] = mask[30, 60] = False
    mask[60:65, 60:65] = True  # within the large hole
    mask[110, 5:150] = mask[115, 20] = True
    rings = polygon.encode(mask, max_error=64)
    assert len(rings) == 4
    assert all(area(ring) > 0 for ring in rings)
    # The large piece: its own outline and those of four holes, and their bridges there and back.
    lines = edges(rings, bridges=True)
    there = {tuple(map(tuple, pair)) for pair in lines.tolist()}
    bridges = [pair for pair in there if pair[::-1] in there]
    assert len(bridges) == 2 * 4
    assert len(edges(rings, bridges=False)) >= 3 * (4 + 4)


def test_holes_are_holes_once_it_is_filled_again():
    y, x = np.mgrid[:300, :400]
    mask = (x - 200) ** 2 / 150**2 + (y - 150) ** 2 / 120**2 < 1
    for cx, cy in ((150, 150), (200, 100), (250, 150), (200, 190)):
        mask &= (x - cx) ** 2 + (y - cy) ** 2 > 20**2
    for limit in (1.0, 2.0, 4.0):
        again = polygon.decode(polygon.encode(mask, max_error=limit), *mask.shape)
        assert ndimage.label(~again)[1] == 5
        # What is further from the outline than twice the error is what it was.
        away = np.minimum(ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask)) > 2 * limit + 1
        assert np.array_equal(again[away], mask[away])


def test_the_largest_pieces_first_and_no_more():
    mask = np.zeros((100, 200), np.bool_)
    mask[2:5, 2:5] = True  # 9
    mask[10:50, 10:50] = True  # 1600, less the hole: 700
    mask[15:45, 15:45] = False
    mask[60:90, 60:90] = True  # 900
    mask[60, 120:190] = True  # 70
    areas = [area(ring) for ring in polygon.encode(mask, most=9)]
    assert areas == [900, 700, 70, 9]
    assert [area(ring) for ring in polygon.encode(mask, most=2)] == [900, 700]
    assert [area(ring) for ring in polygon.encode(mask, most=1, max_error=2)] == [900]
    both = polygon.decode(polygon.encode(mask, most=2), *mask.shape)
    mask[2:5, 2:5] = mask[60, 120:190] = False
    assert np.array_equal(both, mask)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (7, 5)])
def test_masks_that_are_full_or_empty(shape):
    (ring,) = polygon.encode(np.ones(shape, np.bool_), max_error=64, most=1)
    assert area(ring) >= shape[0] * shape[1] / 2
    assert polygon.encode(np.zeros(shape, np.bool_), max_error=64, most=1) == []


def test_speckle():
    seed = 67
    print("seed", seed)
    rng = np.random.default_rng(seed)
    for density in (0.02, 0.3, 0.5, 0.7, 0.98):
        mask = rng.random((30, 40)) < density
        rings = polygon.encode(mask, max_error=2)
        assert len(rings) == len(polygon.encode(mask))
        assert farthest(samples(outline(mask)), edges(rings, bridges=True)) <= 2 + 1e-9
