"""The settings of a training, read from a file that is committed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SETTINGS = Path(__file__).resolve().parent / "settings.toml"
"""Those that the shipped network was trained with."""


@dataclass(frozen=True)
class Stage:
    """A part of the training."""

    size: int
    """Pixels a side of its pictures."""
    steps: int
    iou_weight: float
    """How much the soft IoU counts beside the focal loss. The more, the less hesitant a mask is where it may end."""
    large: float
    """Objects of a photo are drawn in proportion to this power of their area."""
    boxes: float
    """How many of the first prompts are boxes. The rest of 0.85 are single clicks; the others are rarer things."""
    rounds: tuple[float, ...]
    """How likely a picture gets one, two, … answers, each but the first after a correction."""
    colours: float
    """How many of those corrections are no click, but what the picture's colours say of the answer before."""
    average: float
    """What remains of the averaged weights at each step."""
    rate: float = 0.0
    """Which part of the learning rates it begins with, to fall to nothing at its end; 0: they go on as before."""


@dataclass(frozen=True)
class Settings:
    """All that decides what comes out, besides the photos."""

    seed: int
    widths: tuple[int, ...]
    """Channels of the network at strides 2, 4, 8, 16 and 32."""
    stages: tuple[Stage, ...]
    """One after the other; small pictures come first, for they are quick. The last one's size is the network's when it
    is used.
    """
    photos: int
    """Photos a step."""
    targets: int
    """Objects, or prompts for one object, a photo."""
    learning_rate: float
    muon_rate: float
    """Learning rate of the matrices, `learning_rate` being that of all else."""
    muon_decay: float
    warm_steps: int
    decay_steps: int
    """How many steps the learning rate falls to nothing in, before the first stage that has a rate of its own."""
    weight_decay: float
    paste: float
    """How many of the pictures have an object of another photo pasted in."""
    workers: int
    """Processes that learn side by side where there is no GPU; each draws its own pictures."""
    held_out: int
    """One photo of so many is not trained on."""
    compare_steps: int
    """Steps between comparisons and checkpoints."""

    @property
    def steps(self) -> int:
        """In all."""
        return sum(stage.steps for stage in self.stages)

    @property
    def size(self) -> int:
        """Pixels a side when the network is used."""
        return self.stages[-1].size

    def stage(self, step: int) -> Stage:
        """Return the stage of a step, which counts from the first of all."""
        return self._place(step)[0]

    def part(self, step: int) -> float:
        """Return which part of its learning rates a step has."""
        stage, end = self._place(step)
        if stage.rate:
            return stage.rate * (end - step) / stage.steps
        warm = min((step + 1) / self.warm_steps, 1.0)
        # Where the rates that go on from stage to stage end.
        last = sum(stage.steps for stage in takewhile(lambda stage: not stage.rate, self.stages))
        return warm * min(max((last - step) / self.decay_steps, 0.0), 1.0)

    def _place(self, step: int) -> tuple[Stage, int]:
        """Return the stage of a step, and the first step after it."""
        end = 0
        for stage in self.stages:
            end += stage.steps
            if step < end:
                break
        return stage, end


def read(path: Path) -> Settings:
    """Return the settings in a file."""
    with path.open("rb") as file:
        table = tomllib.load(file)
    table["widths"] = tuple(table["widths"])
    table["stages"] = tuple(Stage(**{**stage, "rounds": tuple(stage["rounds"])}) for stage in table["stages"])
    return Settings(**table)
