"""What a handler answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskbus.interfaces.text import TextScore


@dataclass
class Masks:
    """Hold N masks of one image, best first where they compete (multimask), in prompt order where they do not."""

    masks: npt.NDArray[np.bool_]
    """(N, H, W) bool, H and W those of the image."""
    predicted_iou: npt.NDArray[np.float32]
    """(N,) the model's own estimate of its IoU with the truth, 0…1."""
    stability_score: npt.NDArray[np.float32]
    """(N,) IoU of the mask with itself under a shifted threshold, 0…1 (Kirillov et al. 2023, Segment Anything)."""
    logits: npt.NDArray[np.float32] | None = None
    """(N, h, w) mask logits at the model's own resolution; positive is object. None where the model has none."""
    labels: tuple[str, ...] | None = None
    """(N,) text that each mask answers to."""
    similarity: npt.NDArray[np.float32] | None = None
    """(N,) cosine similarity of each mask to its text, -1…1."""
    probability: npt.NDArray[np.float32] | None = None
    """(N,) how likely each mask is, among all that were looked at, to be what its text means, 0…1."""
    scores: tuple[TextScore, ...] = ()
    """How each text of the prompt has fared, in its order; also where there are no masks."""

    def __len__(self) -> int:
        return int(self.masks.shape[0])

    @classmethod
    def none(cls, height: int, width: int) -> Masks:
        """Make an answer of zero masks."""
        empty = np.zeros((0,), np.float32)
        return cls(np.zeros((0, height, width), np.bool_), empty, empty)
