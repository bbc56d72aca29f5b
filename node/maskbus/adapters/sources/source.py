"""What all sources of frames have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Tell = Callable[[str], None]
"""Takes one sentence for the user: a camera that went away, a sender whose frames cannot be read."""


class SourceFailed(Exception):
    """Say in one sentence why there are no frames (any more)."""


@dataclass(frozen=True)
class Captured:
    """One frame."""

    image: NDArray[np.uint8] | bytes
    """uint8 (H, W), (H, W, 3) or (H, W, 4), or the bytes of a JPEG, PNG or WebP file."""
    color: Literal["rgb", "bgr"] = "bgr"
    """What the channels of an array are."""
    stamp: int | None = None
    """When it was taken, nanoseconds since the epoch; None: this is not known, as for files."""
    camera: str = ""
    """Whose it is, where a source has several cameras."""
    name: str = ""
    """Name of its file, where it has one."""


class Source(ABC):
    """Frames, one after the other. A context manager; `close` may come from any thread, and more than once."""

    live: bool
    """Whether frames come at their own time, and those that nobody takes are lost; otherwise they wait."""
    rate: float | None = None
    """Frames a second, where that is known beforehand."""
    count: int | None = None
    """How many frames there are, where that is known beforehand."""

    def __init__(self) -> None:
        self.skipped = 0
        """Frames that nobody had taken when a newer one came."""
        self.unreadable = 0
        """Frames that could not be read."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What a stream of its frames may be called."""

    @abstractmethod
    def frames(self) -> Iterator[Captured]:
        """Yield one frame after the other; end with the source, or soon after `close`. SourceFailed as the class."""

    @abstractmethod
    def close(self) -> None:
        """Give everything back."""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
