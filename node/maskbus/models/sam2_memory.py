"""What SAM 2 keeps of one object's past, and no more than that."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import Tensor

MAX_CONDITIONING = 4
"""Conditioning frames that one object is remembered by at most; the newest are kept.

The authors' predictor knows no bound unless it is given one (`max_cond_frames_in_attn`), and with this one the results
are the same. Each of them makes the attention of every later frame slower by a seventh.
"""


@dataclass(frozen=True)
class Recall:
    """What is looked at of an object's past in one frame: each memory with its age in frames, oldest first."""

    pictures: tuple[tuple[int, Tensor], ...]
    """(age, (T, 64)) memories of whole frames; conditioning ones have age 0 whenever they were."""
    pointers: tuple[tuple[int, Tensor], ...]
    """(age, (C,)) the object in one vector."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of pictures and of pointers: objects that agree in it can be looked at together."""
        return len(self.pictures), len(self.pointers)


@dataclass(frozen=True)
class Moment:
    """One frame as it is remembered."""

    pointer: Tensor
    """(C,)"""
    picture: Tensor | None
    """(T, 64) bfloat16; None where only the pointer is still of use."""

    @property
    def nbytes(self) -> int:
        """Bytes of both."""
        return self.pointer.nbytes + (0 if self.picture is None else self.picture.nbytes)


@dataclass(frozen=True)
class Memory:
    """Remember one object. It never changes: `plus` makes a new one, which shares what both hold."""

    pictures: int
    """How many frames are looked at as pictures besides the conditioning ones."""
    pointers: int
    """How many frames are looked at as pointers besides the conditioning ones."""
    conditioning: dict[int, Moment] = field(default_factory=dict)
    """Frame → moment: frames at which the object was shown to the model, which it does not forget."""
    recent: dict[int, Moment] = field(default_factory=dict)
    """Frame → moment: the latest other frames."""

    def plus(self, frame: int, moment: Moment, conditioning: bool) -> Memory:
        """Add the latest frame, and forget what no later frame will look at."""
        shown, recent = dict(self.conditioning), dict(self.recent)
        (shown if conditioning else recent)[frame] = moment
        while len(shown) > MAX_CONDITIONING:
            # It is looked at like any other frame for as long as it is recent.
            oldest = min(shown)
            recent[oldest] = shown.pop(oldest)
        kept = {}
        for past in sorted(recent):
            age = frame + 1 - past
            if age <= max(self.pictures, self.pointers):
                kept[past] = recent[past] if age <= self.pictures else replace(recent[past], picture=None)
        return replace(self, conditioning=shown, recent=kept)

    def recall(self, frame: int) -> Recall:
        """Gather what is looked at in `frame`, which is later than all that is remembered."""
        pictures = [(0, moment.picture) for moment in self.conditioning.values()]
        pictures += [(frame - past, moment.picture) for past, moment in self.recent.items()]
        pointers = [(frame - past, moment.pointer) for past, moment in self.conditioning.items()]
        pointers += [(frame - past, moment.pointer) for past, moment in self.recent.items()]
        return Recall(tuple((age, picture) for age, picture in pictures if picture is not None), tuple(pointers))

    @property
    def nbytes(self) -> int:
        """Bytes of all moments."""
        return sum(moment.nbytes for moment in (*self.conditioning.values(), *self.recent.values()))
