"""What may be said of an object that is followed."""

from __future__ import annotations

from maskbus.interfaces.errors import BadPrompt, UnsupportedPrompt
from maskbus.interfaces.prompt import Prompt


def check_tracker_prompt(prompt: Prompt, height: int, width: int, *, known: bool) -> None:
    """Refuse what no tracker can use.

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
