"""Following objects that never move: for tests, benchmarks, and to see that all else works."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from maskbus.handlers.echo_drawing import draw
from maskbus.interfaces import BadPrompt, Image, Prompt, Tracked, Tracker, TrackerOptions


class EchoTracker(Tracker):
    """Answer each object's prompts as its mask, in every frame. One whose mask is empty is not present."""

    def __init__(self, options: TrackerOptions) -> None:
        """Begin with no frame and no object."""
        self._options = options
        self._frame = -1
        self._size: tuple[int, int] | None = None
        self._masks: dict[int, npt.NDArray[np.bool_]] = {}

    @property
    def frame(self) -> int:
        """Number of the latest frame; -1 before the first."""
        return self._frame

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Objects that are followed."""
        return tuple(self._masks)

    @property
    def nbytes(self) -> int:
        """Bytes of the masks."""
        return 16 + sum(mask.nbytes for mask in self._masks.values())

    def advance(self, image: Image, job: Any) -> Tracked:
        """Count the frame."""
        size = image.height, image.width
        if self._size not in (None, size):
            raise BadPrompt("All frames of a video have one size.")
        self._size = size
        self._frame += 1
        job.check()
        return self._tell()

    def prompt(self, object_id: int, prompt: Prompt, job: Any) -> Tracked:
        """Draw a prompt into an object's mask; a box or a mask take the place of what was there."""
        if self._size is None:
            raise BadPrompt("There is no frame yet.")
        if prompt.is_empty:
            raise BadPrompt("An object to follow needs points, a box or a mask.")
        if object_id not in self._masks and len(self._masks) >= self._options.max_objects:
            raise BadPrompt(f"{self._options.max_objects} objects are followed already.")
        keeps = object_id in self._masks and not len(prompt.boxes) and prompt.mask is None
        mask = self._masks[object_id].copy() if keeps else np.zeros(self._size, np.bool_)
        draw(mask, prompt)
        self._masks[object_id] = mask
        job.check()
        return self._tell()

    def remove(self, object_id: int) -> None:
        """Follow an object no longer."""
        if self._masks.pop(object_id, None) is None:
            raise BadPrompt(f"No object {object_id} is followed.")

    def close(self) -> None:
        """Forget everything."""
        self._masks.clear()

    def _tell(self) -> Tracked:
        assert self._size is not None
        masks = np.stack(list(self._masks.values())) if self._masks else np.zeros((0, *self._size), np.bool_)
        logits = np.where(masks, np.float32(1), np.float32(-1)) if self._options.logits else None
        present = np.array([mask.any() for mask in masks], np.bool_)
        return Tracked(self._frame, self.object_ids, masks, present, present.astype(np.float32), logits)
