"""Masks that are chosen by what they show: how, and how each text has fared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TextSettings:
    """How masks are chosen by text. None stands for what the model is configured to do."""

    select: Literal["softmax", "cosine", "top"] | None = None
    """Masks with at least `threshold` of probability among all masks; with at least that cosine similarity; or the
    `top` most similar ones."""
    threshold: float | None = None
    """The least probability, 0…1, or similarity, -1…1."""
    top: int | None = None
    """How many masks of each text."""
    combine: Literal["each", "union"] | None = None
    """Whether each mask is answered apart, or all masks of a text as one."""
    background: Literal["black", "mean", "blur", "keep"] | None = None
    """What is put around a mask before it is looked at."""
    margin: float | None = None
    """How much of the picture around a mask is looked at, in parts of the longer side of its box."""


@dataclass(frozen=True)
class TextScore:
    """How one text of a prompt has fared."""

    text: str
    masks: int
    """How many masks answer to it, before they are combined."""
    proposals: int
    """How many masks were looked at."""
    similarity: float | None = None
    """The best cosine similarity of any of them, chosen or not, -1…1; None where nothing was looked at."""
    probability: float | None = None
    """The best probability of any of them, 0…1."""
