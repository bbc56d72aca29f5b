"""What a requester has said of one object in the latest frame."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from maskbus.interfaces import Prompt

TOP_LEFT, BOTTOM_RIGHT = 2, 3
"""SAM 2 takes a box as two points with labels of their own, which come before all other points."""


@dataclass(frozen=True)
class Said:
    """Points of one object in one frame, in the order in which they were given."""

    points: Tensor
    """(P, 2) float32 x, y in the picture that the model sees."""
    labels: Tensor
    """(P,) int32 as in `Sam2Video.decode`."""

    @classmethod
    def nothing(cls) -> Said:
        """Begin."""
        return cls(torch.zeros((0, 2)), torch.zeros(0, dtype=torch.int32))

    def plus(self, prompt: Prompt, height: int, width: int, size: int) -> Said:
        """Add points; a box begins anew, and a mask leaves nothing.

        Args:
            prompt: What is said now, checked.
            height: Of the frame, in pixels.
            width: Of the frame, in pixels.
            size: Side of the picture that the model sees, in pixels.
        """
        if prompt.mask is not None:
            return Said.nothing()
        points = torch.from_numpy(prompt.points.reshape(-1, 2).astype("float32"))
        labels = torch.from_numpy(prompt.labels.astype("int32"))
        if len(prompt.boxes):
            corners = torch.from_numpy(prompt.boxes[0].reshape(2, 2).astype("float32"))
            points = torch.cat([corners, points])
            labels = torch.cat([torch.tensor([TOP_LEFT, BOTTOM_RIGHT], dtype=torch.int32), labels])
        # In this order, since another would round otherwise than the authors' code does.
        points = points / torch.tensor([width, height]) * size
        if len(prompt.boxes):
            return Said(points, labels)
        return Said(torch.cat([self.points, points]), torch.cat([self.labels, labels]))
