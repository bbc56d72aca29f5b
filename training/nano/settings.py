"""The settings of a training, read from a file that is committed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Settings:
    """All that decides what comes out, besides the photos."""

    seed: int
    stages: tuple[tuple[int, int], ...]
    """Pixels a side, and steps with pictures of that size; small ones come first, for they are quick. The last stage's
    size is the network's when it is used.
    """
    photos: int
    """Photos a step."""
    targets: int
    """Objects, or prompts for one object, a photo."""
    learning_rate: float
    warm_steps: int
    decay_steps: int
    """How many of the last steps the learning rate falls to nothing in."""
    weight_decay: float
    average: float
    """What remains of the averaged weights at each step."""
    paste: float
    """How many of the pictures have an object of another photo pasted in."""
    workers: int
    """Processes that learn side by side where there is no GPU; each draws its own pictures."""
    rounds: tuple[float, ...]
    """How likely a picture gets one, two, … answers, each but the first after a correction."""
    held_out: int
    """One photo of so many is not trained on."""
    compare_steps: int
    """Steps between comparisons and checkpoints."""

    @property
    def steps(self) -> int:
        """In all."""
        return sum(steps for _, steps in self.stages)

    @property
    def size(self) -> int:
        """Pixels a side when the network is used."""
        return self.stages[-1][0]

    def size_at(self, step: int) -> int:
        """Return the pixels a side of a step's pictures."""
        for size, steps in self.stages:
            if step < steps:
                return size
            step -= steps
        return self.size


def read(path: Path) -> Settings:
    """Return the settings in a file."""
    with path.open("rb") as file:
        table = tomllib.load(file)
    table["rounds"] = tuple(table["rounds"])
    table["stages"] = tuple((int(size), int(steps)) for size, steps in table["stages"])
    return Settings(**table)
