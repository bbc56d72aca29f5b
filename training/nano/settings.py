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
    steps: int
    """In all."""
    small_steps: int
    """How many of them, from the first, see small pictures."""
    small: int
    """Pixels a side in the small steps."""
    size: int
    """Pixels a side afterwards, and when the network is used."""
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


def read(path: Path) -> Settings:
    """Return the settings in a file."""
    with path.open("rb") as file:
        table = tomllib.load(file)
    table["rounds"] = tuple(table["rounds"])
    return Settings(**table)
