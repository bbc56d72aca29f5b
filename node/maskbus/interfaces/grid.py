"""What makes a handler quick at everything mode: many single points at once, or all objects in one pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskbus.interfaces.everything import EverythingSettings, FoundObject
from maskbus.interfaces.handler import Embedding, Job


@dataclass
class Candidates:
    """What single points of a grid found: M masks as logits, before anything is scaled up."""

    logits: npt.NDArray[np.float32]
    """(M, h, w) mask logits at the model's own resolution; positive is object."""
    predicted_iou: npt.NDArray[np.float32]
    """(M,) the model's own estimate of each mask's IoU with the truth."""
    points: npt.NDArray[np.intp]
    """(M,) index of the point that found it, ascending."""


class GridDecoder(ABC):
    """What a handler adds to be quick at everything mode. Others are asked by `decode`, point by point."""

    points_per_batch: int = 4
    """Points it decodes at once, where the request does not say."""

    @abstractmethod
    def decode_grid(
        self, embedding: Embedding, points: npt.NDArray[np.float32], pred_iou_thresh: float, job: Job
    ) -> Candidates:
        """Return the masks of all hypotheses of single points, each point an object of its own.

        Args:
            embedding: Of an image, or of a part of one.
            points: (N, 2) x, y in pixels of that image. They may lie anywhere in 0…width × 0…height.
            pred_iou_thresh: Masks with no more `predicted_iou` than this are left out: they need not be made at all.
            job: As for a handler.
        """

    @abstractmethod
    def upscale(self, embedding: Embedding, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return logits at the image's own size, (h, w) to (H, W), float32, as the model's authors scale them.

        It must be plain interpolation, of all the logits or of a part: what cannot pass is found out beforehand.
        """


class ObjectFinder(ABC):
    """What a handler adds whose network finds all objects of an image by itself, without a grid of points."""

    @abstractmethod
    def find(self, embedding: Embedding, settings: EverythingSettings, job: Job) -> Sequence[FoundObject]:
        """Return the objects of an image, or of a part of one, the best first.

        Args:
            embedding: Of the image or the part.
            settings: Of these `pred_iou_thresh` and `stability_score_thresh` are to be kept to; the points, and what
                comes after (duplicates between crops, areas, holes and islands), are not the handler's affair.
            job: As for a handler.

        Returns:
            Masks, boxes and points in pixels of that image; `crop_box` is the whole of it.
        """
