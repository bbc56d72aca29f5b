"""The prompt as a handler sees it: checked, in arrays, in pixels of the image as sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


def _no_points() -> npt.NDArray[np.float32]:
    return np.zeros((0, 2), np.float32)


def _no_labels() -> npt.NDArray[np.int8]:
    return np.zeros((0,), np.int8)


def _no_boxes() -> npt.NDArray[np.float32]:
    return np.zeros((0, 4), np.float32)


@dataclass(frozen=True)
class Prompt:
    """What the requester points at.

    Pixel coordinates have their origin at the image's top left; x grows to the right, y downwards; (0, 0) is the centre
    of the first pixel. The node has already checked that everything is finite and inside the image.
    """

    points: npt.NDArray[np.float32] = field(default_factory=_no_points)
    """(N, 2) x, y."""
    labels: npt.NDArray[np.int8] = field(default_factory=_no_labels)
    """(N,) 1 = object, 0 = background."""
    boxes: npt.NDArray[np.float32] = field(default_factory=_no_boxes)
    """(M, 4) x0, y0, x1, y1 with x0 < x1 and y0 < y1. Points beside several boxes do not occur."""
    mask: npt.NDArray[np.bool_] | None = None
    """(H, W) a mask to refine, of the image's size."""
    logits: npt.NDArray[np.float32] | None = None
    """(h, w) logits of an earlier answer of the same model, to refine."""
    texts: tuple[str, ...] = ()
    negative_texts: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is pointed at."""
        return not self.kinds

    @property
    def kinds(self) -> frozenset[str]:
        """Name what the prompt holds, in the words of `ModelInfo.prompts`."""
        found = {
            "points": len(self.points) > 0,
            "boxes": len(self.boxes) > 0,
            "mask": self.mask is not None,
            "logits": self.logits is not None,
            "text": bool(self.texts),
        }
        return frozenset(kind for kind, there in found.items() if there)

    def objects(self) -> Iterator[Prompt]:
        """Yield one prompt for each object: one for each box where there are several, else this prompt itself."""
        if len(self.boxes) <= 1:
            yield self
            return
        for box in self.boxes:
            yield Prompt(boxes=box[None], mask=self.mask, logits=self.logits)
