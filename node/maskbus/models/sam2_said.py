"""What a requester has said of one object in the latest frame."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from maskbus.interfaces import BadPrompt, Prompt, UnsupportedPrompt

TOP_LEFT, BOTTOM_RIGHT = 2, 3
"""SAM 2 takes a box as two points with labels of their own, which come before all other points."""


def check(prompt: Prompt, height: int, width: int, known: bool) -> None:
    """Refuse what a tracker cannot use.

    Args:
        prompt: What is said now.
        height: Of the frame, in pixels.
        width: Of the frame, in pixels.
        known: Whether the object is followed already.

    Raises:
        UnsupportedPrompt: It is of a kind that does not work on video.
        BadPrompt: It makes no sense.
    """
    if prompt.logits is not None or prompt.texts or prompt.negative_texts:
        raise UnsupportedPrompt("A tracker takes points, a box or a mask; logits and texts it does not.")
    if prompt.is_empty:
        raise BadPrompt("Nothing is pointed at; give points, a box or a mask.")
    if len(prompt.boxes) > 1:
        raise BadPrompt(f"An object has one box, not {len(prompt.boxes)}; give each object its own id.")
    if prompt.mask is not None:
        if len(prompt.points) or len(prompt.boxes):
            raise BadPrompt("A mask says all; give it without points and boxes.")
        if prompt.mask.shape != (height, width):
            found = " by ".join(str(side) for side in prompt.mask.shape[::-1])
            raise BadPrompt(f"The mask is {found} pixels, the frame {width} by {height}; they must agree.")
        if not known and not prompt.mask.any():
            raise BadPrompt("The mask is empty; a new object needs at least one pixel.")
    elif not known and not len(prompt.boxes) and not (prompt.labels == 1).any():
        raise BadPrompt("Every point is background; a new object needs a box or a point on it.")


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
