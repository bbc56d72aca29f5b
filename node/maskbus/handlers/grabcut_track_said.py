"""What a requester has said of one object in the latest frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import BadPrompt, Prompt, UnsupportedPrompt


def check(prompt: Prompt, height: int, width: int, known: bool) -> None:
    """Refuse what the tracker cannot use.

    Args:
        prompt: What is said now.
        height: Of the frame, in pixels.
        width: Of the frame, in pixels.
        known: Whether the object is followed already.

    Raises:
        UnsupportedPrompt: It is of a kind that colours cannot answer.
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
