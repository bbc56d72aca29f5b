"""Following objects through the frames of one video."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from maskbus.interfaces.image import Image
from maskbus.interfaces.prompt import Prompt


@dataclass
class Tracked:
    """Where the objects are in one frame."""

    frame: int
    """Number of the frame since the tracker began; the first is 0."""
    object_ids: tuple[int, ...]
    """(N,) in the order in which the objects were added."""
    masks: npt.NDArray[np.bool_]
    """(N, H, W) in the frame's size. Each object is followed by itself: masks may overlap, unless the tracker has an
    option against it that was used."""
    present: npt.NDArray[np.bool_]
    """(N,) whether the model believes that the object can be seen in this frame."""
    predicted_iou: npt.NDArray[np.float32]
    """(N,) the model's own estimate of its IoU with the truth, 0…1."""
    logits: npt.NDArray[np.float32] | None = None
    """(N, h, w) mask logits at the model's own resolution, where they were asked for."""


@dataclass(frozen=True)
class TrackerOptions:
    """How a tracker shall work."""

    logits: bool = False
    """Whether `Tracked.logits` is filled."""
    max_objects: int = 64
    """More are refused."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """The requester's `options`, as sent: the tracker checks what it uses of it."""


class Tracker(ABC):
    """One video: frames come one after the other, objects are added, corrected and removed at the latest one.

    It holds no more of the past than its model looks at, so its memory does not grow with the length of the video.
    Calls come one at a time, from the thread of the handler that made it. What a call cannot do it refuses with a
    `HandlerError`, and the tracker is as it was before.
    """

    @property
    @abstractmethod
    def frame(self) -> int:
        """Number of the latest frame; -1 before the first."""

    @property
    @abstractmethod
    def object_ids(self) -> tuple[int, ...]:
        """Objects that are followed, in the order in which they were added."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes this tracker holds, on whatever device."""

    @abstractmethod
    def advance(self, image: Image, job: Any) -> Tracked:
        """Take the next frame, and tell where the objects are in it.

        Args:
            image: The frame. All frames of a video have one size: another is refused with `BadPrompt`.
            job: As for a handler.
        """

    @abstractmethod
    def prompt(self, object_id: int, prompt: Prompt, job: Any) -> Tracked:
        """Add an object at the latest frame, or correct one there; tell where all objects are in it.

        Args:
            object_id: Chosen by the caller, at least 0; one that is followed already is corrected.
            prompt: Points and at most one box, or a mask. Points of several calls at one frame add up; a box and a mask
                each take the place of what was said of the object at this frame before.
            job: As for a handler.
        """

    @abstractmethod
    def remove(self, object_id: int) -> None:
        """Follow an object no longer. One that is not followed is refused with `BadPrompt`."""

    @abstractmethod
    def close(self) -> None:
        """Give everything back. Nothing may be asked of the tracker afterwards."""
