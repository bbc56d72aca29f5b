"""Which masks answer to which text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import BadPrompt, ModelUnavailable, TextScore, TextSettings

FloatArray = npt.NDArray[np.float32]

SELECTS = ("softmax", "cosine", "top")
COMBINES = ("each", "union")
BACKGROUNDS = ("black", "mean", "blur", "keep")
_THRESHOLDS = {"softmax": 0.1, "cosine": 0.25}


@dataclass(frozen=True)
class Choice:
    """How masks are chosen: what the request says, and for the rest the model's options."""

    select: Literal["softmax", "cosine", "top"] = "softmax"
    threshold: float | None = None
    """None: what suits `select`."""
    top: int = 1
    combine: Literal["each", "union"] = "each"
    background: Literal["black", "mean", "blur", "keep"] = "mean"
    margin: float = 0.1

    @classmethod
    def of(cls, options: Mapping[str, Any], model: str) -> Choice:
        """Read it from a model's options.

        Raises:
            ModelUnavailable: if one makes no sense.
        """
        allowed = {"select": SELECTS, "combine": COMBINES, "background": BACKGROUNDS}
        found: dict[str, Any] = {}
        for name in ("select", "threshold", "top", "combine", "background", "margin"):
            if name not in options:
                continue
            value = found[name] = options[name]
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if name in allowed:
                good, words = value in allowed[name], f"one of {', '.join(allowed[name])}"
            elif name == "top":
                good, words = isinstance(value, int) and number and value >= 1, "a whole number, at least 1"
            else:
                least, most = {"margin": (0, 4), "threshold": (-1, 1)}[name]
                good, words = number and least <= value <= most, f"{least} to {most}"
            if not good:
                raise ModelUnavailable(f"model.{model}.options.{name} = {value!r} must be {words}.")
        return cls(**found)

    def asked(self, settings: TextSettings) -> Choice:
        """Return the choice for a request.

        Raises:
            BadPrompt: if the request sets a threshold where the best few are chosen.
        """
        select = settings.select or self.select
        if settings.threshold is not None and select == "top":
            raise BadPrompt("This model answers the best few, which have no threshold: choose softmax or cosine.")
        # A threshold of the options is one for their own way to choose.
        own = self.threshold if select == self.select else None
        return Choice(
            select=select,
            threshold=own if settings.threshold is None else settings.threshold,
            top=settings.top or self.top,
            combine=settings.combine or self.combine,
            background=settings.background or self.background,
            margin=self.margin if settings.margin is None else settings.margin,
        )


@dataclass(frozen=True)
class Chosen:
    """What answers: K masks, the most similar first, and how each text has fared."""

    masks: tuple[tuple[int, ...], ...]
    """Of each answered mask, the proposals it is made of: one, or with `union` all of its text, best first."""
    texts: npt.NDArray[np.intp]
    """(K,) index of the text that each answers to."""
    similarity: FloatArray
    """(K,) cosine; of a union its best."""
    probability: FloatArray
    """(K,) as well."""
    scores: tuple[TextScore, ...]


def choose(similarity: FloatArray, negative: FloatArray, scale: float, texts: Sequence[str], choice: Choice) -> Chosen:
    """Choose masks.

    Args:
        similarity: (M, T) cosine of each mask with each text.
        negative: (M, N) cosine of each mask with each negative text.
        scale: What similarities are multiplied with before the softmax.
        texts: T.
        choice: How.
    """
    if not len(similarity):
        none = np.zeros(0, np.float32)
        return Chosen((), np.zeros(0, np.intp), none, none, tuple(TextScore(text, 0, 0) for text in texts))
    probability = _softmax(similarity * scale)
    answers = _passing(similarity, probability, choice)
    if negative.shape[1]:
        answers &= similarity >= negative.max(1, keepdims=True)
    if choice.select == "top":
        answers &= _best(np.where(answers, similarity, -np.inf), choice.top)
    # One that answers to several texts goes to the most similar, the first of equals.
    owner = np.where(answers, similarity, -np.inf).argmax(1)
    chosen = np.flatnonzero(answers.any(1))
    chosen = chosen[np.argsort(-similarity[chosen, owner[chosen]], kind="stable")]
    counts = np.bincount(owner[chosen], minlength=len(texts)).tolist()
    scores = tuple(
        TextScore(text, count, len(similarity), float(best), float(likely))
        for text, count, best, likely in zip(texts, counts, similarity.max(0), probability.max(0), strict=True)
    )
    groups: dict[int, list[int]] = {}
    for one in chosen.tolist():
        groups.setdefault(int(owner[one]) if choice.combine == "union" else -1 - one, []).append(one)
    first = np.array([group[0] for group in groups.values()], np.intp)
    likeliest = [probability[group, owner[group[0]]].max() for group in groups.values()]
    return Chosen(
        masks=tuple(tuple(group) for group in groups.values()),
        texts=owner[first],
        similarity=similarity[first, owner[first]].astype(np.float32),
        probability=np.array(likeliest, np.float32),
        scores=scores,
    )


def _passing(similarity: FloatArray, probability: FloatArray, choice: Choice) -> npt.NDArray[np.bool_]:
    if choice.select == "top":
        return np.ones(similarity.shape, np.bool_)
    threshold = _THRESHOLDS[choice.select] if choice.threshold is None else choice.threshold
    passing: npt.NDArray[np.bool_] = (probability if choice.select == "softmax" else similarity) >= threshold
    return passing


def _best(similarity: FloatArray, count: int) -> npt.NDArray[np.bool_]:
    """Return which masks are among the `count` most similar of each text, (M, T)."""
    ranks = np.argsort(np.argsort(-similarity, axis=0, kind="stable"), axis=0, kind="stable")
    best: npt.NDArray[np.bool_] = ranks < count
    return best


def _softmax(logits: FloatArray) -> FloatArray:
    """Return each column's softmax."""
    powers = np.exp(logits - logits.max(0, keepdims=True))
    shares: FloatArray = powers / powers.sum(0, keepdims=True)
    return shares
