"""A scene that can be photographed at any time: things that move over a background, each with its true mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskbus.simulator import shapes, texture
from maskbus.simulator.shapes import Shape

MOST_OBJECTS = 254
SMALLEST = 16
"""Pixels of a side."""
_TRIES = 50
_WANTED_AT_FIRST = 0.8


@dataclass(frozen=True)
class View:
    """What a camera sees at one time."""

    rgb: NDArray[np.uint8]
    """uint8 (H, W, 3)."""
    labels: NDArray[np.uint8]
    """uint8 (H, W): 0 is background, else the number of the object that is seen there."""

    def mask(self, object_id: int) -> NDArray[np.bool_]:
        """Return what is seen of an object, bool (H, W); nothing of one that is hidden or has left."""
        found: NDArray[np.bool_] = self.labels == object_id
        return found

    def masks(self) -> dict[int, NDArray[np.bool_]]:
        """Return the mask of each object that is seen, by its number."""
        return {int(label): self.mask(int(label)) for label in np.unique(self.labels) if label}

    def inside(self, object_id: int) -> tuple[float, float] | None:
        """Return x, y of the point deepest in what is seen of an object, as in a prompt; None if it is not seen."""
        import cv2

        mask = self.mask(object_id)
        if not mask.any():
            return None
        # A frame of zeros: the edge of the picture is an edge of what is seen.
        depth = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 5)
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        return float(column) - 0.5, float(row) - 0.5


class Scene:
    """Draw frames. The same seed gives the same scene, and the same time the same frame, in any order.

    Objects are numbered from 1, and the higher one hides the lower. At the beginning most of number 1 is seen, so that
    a prompt finds it; later it is hidden now and then, and others leave and come back.
    """

    def __init__(self, width: int, height: int, *, seed: int = 0, objects: int = 5) -> None:
        if width < SMALLEST or height < SMALLEST:
            raise ValueError(f"A scene has at least {SMALLEST} pixels a side, not {width} × {height}.")
        if not 1 <= objects <= MOST_OBJECTS:
            raise ValueError(f"A scene has 1 to {MOST_OBJECTS} objects, not {objects}.")
        self.width = width
        self.height = height
        random = np.random.default_rng(seed)
        ground = np.array([random.uniform(70, 130) for _ in range(3)], np.float32)
        self._background = texture.painted(random, height, width, ground, contrast=26)
        self._shapes: list[Shape] = []
        for _ in range(_TRIES):
            self._shapes = [shapes.make(random, number, height, width) for number in range(objects)]
            if self._seen_at_first() > _WANTED_AT_FIRST:
                break

    @property
    def object_ids(self) -> list[int]:
        """The objects' numbers."""
        return list(range(1, len(self._shapes) + 1))

    def kind(self, object_id: int) -> str:
        """Return what an object is, such as "disc"."""
        return self._shapes[object_id - 1].kind

    def view(self, seconds: float) -> View:
        """Return what is seen at a time."""
        picture = self._background.copy()
        labels = np.zeros((self.height, self.width), np.uint8)
        for label, shape in enumerate(self._shapes, 1):
            shape.draw(picture, labels, label, seconds)
        return View(picture, labels)

    def _seen_at_first(self) -> float:
        """Return how much of the first object is not hidden by the others at the beginning, 0…1."""
        labels = np.zeros((self.height, self.width), np.uint8)
        unseen = np.empty((self.height, self.width, 3), np.uint8)
        self._shapes[0].draw(unseen, labels, 1, 0.0)
        whole = int(np.count_nonzero(labels))
        for shape in self._shapes[1:]:
            shape.draw(unseen, labels, 2, 0.0)
        return int(np.count_nonzero(labels == 1)) / max(1, whole)
