"""What a requester has said of one object in the latest frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import Prompt


@dataclass(frozen=True)
class Said:
    """Points of one object in one frame, in the order in which they were given, and its box."""

    points: Prompt = field(default_factory=Prompt)
    """Of the kinds "points" and "boxes" only."""

    def plus(self, prompt: Prompt) -> Said:
        """Add points; a box begins anew, and a mask leaves nothing."""
        if prompt.mask is not None:
            return Said()
        if len(prompt.boxes):
            return Said(Prompt(points=prompt.points.copy(), labels=prompt.labels.copy(), boxes=prompt.boxes.copy()))
        before = self.points
        return Said(
            Prompt(
                points=np.concatenate([before.points, prompt.points]),
                labels=np.concatenate([before.labels, prompt.labels]),
                boxes=before.boxes,
            )
        )

    def beside(self, mask: npt.NDArray[np.bool_] | None) -> Prompt:
        """Return all that was said, with the (H, W) mask it corrects: a box needs none, and an empty one is none."""
        if mask is None or len(self.points.boxes) or not mask.any():
            return self.points
        return Prompt(points=self.points.points, labels=self.points.labels, mask=mask)
