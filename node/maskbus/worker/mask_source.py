"""Masks on their way into a reply: where they lie, what is said of them, and each in full when it is needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import FoundObject, Masks, Tracked
from maskbus_wire import geometry, replies, rle
from maskbus_wire.geometry import Window


class MaskSource(ABC):
    """N masks of one image of `height` × `width` pixels."""

    def __init__(self, height: int, width: int, windows: Sequence[Window], areas: Sequence[int]) -> None:
        self.height = height
        self.width = width
        self.windows = windows
        """Each mask cut to its box."""
        self.areas = areas
        """Pixels of each mask."""

    def __len__(self) -> int:
        return len(self.windows)

    @abstractmethod
    def full(self, i: int) -> npt.NDArray[np.bool_]:
        """Return a mask at the image's size, bool (height, width)."""

    @abstractmethod
    def counts(self, i: int) -> str:
        """Return a mask as COCO's compressed run lengths."""

    @abstractmethod
    def said(self, i: int) -> dict[str, Any]:
        """Return the fields of `replies.Mask` that are not its shape: scores and the like."""

    def logits(self, i: int) -> npt.NDArray[np.float32] | None:
        """Return a mask's logits, or None where there are none."""
        return None

    def scores(self) -> list[replies.TextScore]:
        """Return how each text of the prompt has fared."""
        return []

    def best(self) -> float | None:
        """Return the largest `predicted_iou` of a mask that has a pixel, or None where there is no such mask."""
        return max((self.said(i)["predicted_iou"] for i, area in enumerate(self.areas) if area), default=None)


class AnsweredMasks(MaskSource):
    """What `decode` has answered: all masks are there."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        windows = [geometry.window(mask) for mask in masks.masks]
        areas = [geometry.area(inside) for _, inside in windows]
        height, width = masks.masks.shape[1:]
        super().__init__(height, width, windows, areas)

    def full(self, i: int) -> npt.NDArray[np.bool_]:
        """Return a mask at the image's size, bool (height, width)."""
        mask: npt.NDArray[np.bool_] = self._masks.masks[i]
        return mask

    def counts(self, i: int) -> str:
        """Return a mask as COCO's compressed run lengths."""
        return rle.encode_window(self.windows[i], self.height, self.width)

    def said(self, i: int) -> dict[str, Any]:
        """Return the fields of `replies.Mask` that are not its shape."""
        labels, similarity, probability = self._masks.labels, self._masks.similarity, self._masks.probability
        return {
            "predicted_iou": _share(self._masks.predicted_iou[i]),
            "stability_score": _share(self._masks.stability_score[i]),
            "label": None if labels is None else labels[i],
            "similarity": None if similarity is None else float(similarity[i]),
            "probability": None if probability is None else _share(probability[i]),
        }

    def logits(self, i: int) -> npt.NDArray[np.float32] | None:
        """Return a mask's logits, or None where there are none."""
        return None if self._masks.logits is None else self._masks.logits[i]

    def scores(self) -> list[replies.TextScore]:
        """Return how each text of the prompt has fared."""
        return [
            replies.TextScore(
                text=score.text,
                masks=int(score.masks),
                proposals=int(score.proposals),
                similarity=None if score.similarity is None else float(score.similarity),
                probability=None if score.probability is None else _share(score.probability),
            )
            for score in self._masks.scores
        ]


class TrackedMasks(AnsweredMasks):
    """Where the objects that a tracker follows are in one frame."""

    def __init__(self, tracked: Tracked, masks: Masks) -> None:
        """Show what a tracker tells.

        Args:
            tracked: What it tells.
            masks: The same as an answer.
        """
        self._tracked = tracked
        super().__init__(masks)

    def said(self, i: int) -> dict[str, Any]:
        """Return the fields of `replies.Mask` that are not its shape."""
        ids, present = self._tracked.object_ids, self._tracked.present
        return {**super().said(i), "object_id": int(ids[i]), "present": bool(present[i])}


class FoundMasks(MaskSource):
    """What everything mode has found: hundreds of masks, cut to their boxes and made in full one at a time."""

    def __init__(self, height: int, width: int, objects: Sequence[FoundObject]) -> None:
        self._objects = objects
        super().__init__(height, width, [(one.bbox, one.patch) for one in objects], [one.area for one in objects])

    def full(self, i: int) -> npt.NDArray[np.bool_]:
        """Return a mask at the image's size, bool (height, width)."""
        return self._objects[i].full(self.height, self.width)

    def counts(self, i: int) -> str:
        """Return a mask as COCO's compressed run lengths."""
        return rle.encode_window(self.windows[i], self.height, self.width)

    def said(self, i: int) -> dict[str, Any]:
        """Return the fields of `replies.Mask` that are not its shape."""
        one = self._objects[i]
        return {
            "predicted_iou": _share(one.predicted_iou),
            "stability_score": _share(one.stability_score),
            "point": one.point,
            "crop_box": one.crop_box,
        }


def _share(score: float | np.floating[Any]) -> float:
    """Return a score as a number in 0…1: a network that estimates its IoU may go a little beyond."""
    return min(max(float(score), 0.0), 1.0)
