"""Prepare a picture for prompts: a small working copy, its regions and how alike and how connected they are.

Nothing here depends on a prompt. Regions are the basins of a marker watershed (Meyer 1992) with one marker in each
cell of a grid, so that what follows handles some 800 regions instead of pixels, with dense matrices.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from maskbus.models.colours import F32, I32, U8, Pixels, to_lab

WORKING_SIDE = 320
"""Longest side of the working copy, pixels."""
CELL = 10
"""Side of a grid cell that gets one watershed marker, pixels of the working copy."""
COLOUR_SIGMA = 4.0
"""How far apart two colours may be to count as alike, CIE Lab units."""
SMOOTHING = 0.03
"""Weight of a region's own membership against its neighbours'; smaller smooths more."""


@dataclass(frozen=True)
class WorkingImage:
    """Hold what decode needs of one picture. w and h are of the working copy, N is the number of regions."""

    guide: U8
    """(H, W, 3) the picture itself, BGR: where its edges are at full resolution."""
    pixels: Pixels
    """The colours of the working copy."""
    labels: I32
    """(h, w) region of each pixel, 0…N-1."""
    area: F32
    """(N,) pixels."""
    centre: F32
    """(N, 2) x, y in pixels of the working copy."""
    rim: npt.NDArray[np.bool_]
    """(N,) whether the region touches the picture's border."""
    neighbours: I32
    """(N, D) regions next to each region; padded with the region itself."""
    steps: F32
    """(N, D) geodesic length of the step to each neighbour, unitless; infinite in the padding."""
    alike: F32
    """(N, N) colour kernel."""
    smooth: F32
    """(N, N) linear operator that spreads memberships over weak edges."""

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(int(getattr(self, field.name).nbytes) for field in fields(self))

    @property
    def small(self) -> U8:
        """(h, w, 3) working copy, BGR."""
        return self.pixels.small

    @property
    def scale(self) -> tuple[float, float]:
        """Working pixels a full pixel, along x and y."""
        return self.small.shape[1] / self.guide.shape[1], self.small.shape[0] / self.guide.shape[0]


def prepare(bgr: U8) -> WorkingImage:
    """Make the working image of `bgr`, (H, W, 3) uint8. Keeps a copy, never the array itself."""
    height, width = bgr.shape[:2]
    scale = min(1.0, WORKING_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA) if scale < 1 else bgr.copy(), np.uint8)
    lab = to_lab(small)
    pixels = Pixels.of(small, lab)
    blurred = np.asarray(cv2.GaussianBlur(lab, (0, 0), 1.0), np.float32)
    gradient = _gradient(blurred)
    labels = _watershed(blurred, gradient)
    count = int(labels.max()) + 1
    flat = labels.ravel()
    area = np.bincount(flat, minlength=count).astype(np.float32)

    def mean(values: npt.NDArray[np.generic]) -> F32:
        return np.asarray(np.bincount(flat, values.ravel(), count) / area, np.float32)

    rows, columns = np.mgrid[: size[1], : size[0]]
    colour = np.stack([mean(lab[..., channel]) for channel in range(3)], axis=1)
    first, second, length, edge = _adjacency(labels, gradient, count)
    step = np.linalg.norm(colour[first] - colour[second], axis=1)
    edge = edge / (edge.mean() + 1e-6) if len(edge) else edge
    rim = np.zeros(count, np.bool_)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        rim[side] = True
    neighbours, steps = _neighbour_table(first, second, step / 5 + edge + 0.1, count)
    return WorkingImage(
        guide=bgr.copy(),
        pixels=pixels,
        labels=labels,
        area=area,
        centre=np.stack([mean(columns), mean(rows)], axis=1),
        rim=rim,
        neighbours=neighbours,
        steps=steps,
        alike=_colour_kernel(colour),
        smooth=_smoother(first, second, length * np.exp(-edge - step / 10), area),
    )


def geodesic(image: WorkingImage, sources: npt.NDArray[np.integer]) -> F32:
    """Return (N,) the shortest way over the regions from any of `sources`, unitless."""
    distance = np.full(len(image.area), np.inf, np.float32)
    distance[sources] = 0
    for _ in range(len(image.area)):
        shorter = np.minimum(distance, (distance[image.neighbours] + image.steps).min(axis=1))
        if np.array_equal(shorter, distance):
            break
        distance = shorter
    return distance


def per_region(image: WorkingImage, values: npt.NDArray[np.generic]) -> F32:
    """Return (N,) the mean over each region of `values`, (h, w)."""
    total = np.bincount(image.labels.ravel(), values.ravel(), len(image.area))
    return np.asarray(total / image.area, np.float32)


def _gradient(lab: F32) -> F32:
    along_x = cv2.Scharr(lab, cv2.CV_32F, 1, 0)
    along_y = cv2.Scharr(lab, cv2.CV_32F, 0, 1)
    return np.asarray(np.sqrt((along_x * along_x + along_y * along_y).sum(axis=2)) / 32, np.float32)


def _watershed(lab: F32, gradient: F32) -> I32:
    height, width = gradient.shape
    ys = np.linspace(0, height, max(1, round(height / CELL)) + 1).astype(int)
    xs = np.linspace(0, width, max(1, round(width / CELL)) + 1).astype(int)
    markers = np.zeros((height + 2, width + 2), np.int32)
    found = 0
    for top, bottom in pairwise(ys):
        for left, right in pairwise(xs):
            # Only the middle of the cell, so that two markers never meet on one edge.
            high, wide = (bottom - top + 2) // 4, (right - left + 2) // 4
            if bottom - top <= 2 * high or right - left <= 2 * wide:
                high = wide = 0
            inner = gradient[top + high : bottom - high, left + wide : right - wide]
            row, column = divmod(int(inner.argmin()), inner.shape[1])
            found += 1
            markers[1 + top + high + row, 1 + left + wide + column] = found
    scaled = np.clip(lab * np.array([2.55, 1.5, 1.5], np.float32) + np.array([0, 128, 128], np.float32), 0, 255).astype(
        np.uint8
    )
    # cv2.watershed marks the outermost pixels as lines: a frame of one pixel takes them.
    cv2.watershed(cv2.copyMakeBorder(scaled, 1, 1, 1, 1, cv2.BORDER_REPLICATE), markers)
    labels = markers[1:-1, 1:-1].astype(np.float32)
    while (lines := labels <= 0).any():
        labels = np.where(lines, cv2.dilate(np.ascontiguousarray(labels), np.ones((3, 3), np.uint8)), labels)
    _, dense = np.unique(labels, return_inverse=True)
    return np.asarray(dense.reshape(height, width), np.int32)


def _adjacency(labels: I32, gradient: F32, count: int) -> tuple[I32, I32, F32, F32]:
    """Return each pair of touching regions, the length of their border in pixels and the mean gradient on it."""
    keys, strengths = [], []
    for here, there in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        one, other = labels[here], labels[there]
        differ = one != other
        low, high = np.minimum(one, other)[differ], np.maximum(one, other)[differ]
        keys.append(low.astype(np.int64) * count + high)
        strengths.append(np.maximum(gradient[here], gradient[there])[differ])
    pairs, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    length = np.bincount(inverse, minlength=len(pairs)).astype(np.float32)
    strength = np.bincount(inverse, np.concatenate(strengths), len(pairs)) / np.maximum(length, 1)
    return (pairs // count).astype(np.int32), (pairs % count).astype(np.int32), length, strength.astype(np.float32)


def _neighbour_table(first: I32, second: I32, cost: F32, count: int) -> tuple[I32, F32]:
    start, end = np.concatenate([first, second]), np.concatenate([second, first])
    both = np.concatenate([cost, cost])
    order = np.argsort(start, kind="stable")
    start, end, both = start[order], end[order], both[order]
    degree = np.bincount(start, minlength=count)
    slot = np.arange(len(start)) - np.repeat(np.cumsum(degree) - degree, degree)
    widest = max(1, int(degree.max(initial=0)))
    neighbours = np.repeat(np.arange(count, dtype=np.int32)[:, None], widest, axis=1)
    steps = np.full((count, widest), np.inf, np.float32)
    neighbours[start, slot] = end
    steps[start, slot] = both
    return neighbours, steps


def _colour_kernel(colour: F32) -> F32:
    # Lightness counts half: shading changes it more than the hue.
    scaled = colour * np.array([np.sqrt(0.5), 1, 1], np.float32)
    norms = (scaled * scaled).sum(axis=1)
    squared = np.maximum(norms[:, None] + norms[None] - 2 * scaled @ scaled.T, 0)
    narrow = np.exp(-squared / (2 * COLOUR_SIGMA**2))
    return np.asarray(narrow + 1e-3 * np.exp(-squared / (18 * COLOUR_SIGMA**2)) + 1e-6, np.float32)


def _smoother(first: I32, second: I32, weight: F32, area: F32) -> F32:
    """Return the operator of random walks with prior (Grady 2005): the prior p becomes (L + γD)⁻¹ γD p."""
    count = len(area)
    system = np.zeros((count, count), np.float32)
    system[first, second] = system[second, first] = -weight
    own = SMOOTHING * area
    system[np.arange(count), np.arange(count)] = own - system.sum(axis=1)
    return np.asarray(np.linalg.inv(system) * own[None], np.float32)
