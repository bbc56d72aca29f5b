"""All that a text was compared with: which objects of the picture are like it, and how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maskbus_client.errors import NoMask
from maskbus_client.masks import Mask
from maskbus_client.results import Result
from maskbus_client.sync import Client

_SEEING = ("background", "margin")
"""Options for texts that say what is looked at, and not what is chosen of it."""


@dataclass(frozen=True)
class Proposal:
    """One object that was looked at."""

    mask: Mask
    """As it was proposed, before anything was combined or post-processed."""
    chosen: bool
    label: str
    """The text that it is most like; of one that was chosen, the text that it was chosen for."""
    similarity: float
    """To that text, -1…1."""
    probability: float | None
    """Of it, among all proposals, 0…1."""
    more_like: str | None = None
    """The negative text that has kept it from being chosen, as it is more similar to that than to any text."""


@dataclass(frozen=True)
class Ranking:
    """All of them, the most similar first."""

    proposals: Sequence[Proposal]
    is_answer: bool
    """Whether the chosen ones are the answer's masks, mask for mask: nothing was combined, and none left out later."""


def rank(client: Client, image: bytes, result: Result, asked: Mapping[str, Any]) -> Ranking | None:
    """Return what the model has looked at; None where it is none that compares masks with words.

    It is asked once more, for all that it has seen in the picture, which it has by heart; where there are negative
    texts, also how similar it is to them.

    Args:
        client: Of the node.
        image: The picture's file.
        result: The answer.
        asked: Arguments of `Client.segment` that it answers.

    Raises:
        MaskbusError: as `Client.segment`.
    """
    if not result.scores:
        return None
    options = dict(asked.get("text_options") or {})
    negative_text = asked.get("negative_text")
    plain = {name: value for name, value in asked.items() if name not in ("negative_text", "route", "fresh")}
    plain |= {"model": result.model, "encoding": "rle", "post": {}}

    def again(wanted: Mapping[str, Any], **more: Any) -> Result:
        return client.segment(image, **{**plain, **more, "text_options": {**wanted, "combine": "each"}})

    seeing = {name: options[name] for name in _SEEING if name in options}
    all_of_them = {**seeing, "select": "cosine", "threshold": -1.0}
    seen = again(all_of_them)
    unlike = {_key(mask): mask for mask in again(all_of_them, text=negative_text)} if negative_text else {}
    try:
        chosen = {_key(mask): mask for mask in result}
        is_answer = chosen.keys() <= {_key(mask) for mask in seen}
        is_answer &= len(result) >= sum(score.masks for score in result.scores)
    except NoMask:  # only an overlay was asked for, say
        is_answer = False
    if not is_answer:
        # Combined, or post-processed: which ones they are made of is a question of its own.
        unwanted = {"negative_text": negative_text} if negative_text else {}
        chosen = {_key(mask): mask for mask in again(options, **unwanted)}
    proposals = [_proposal(mask, chosen.get(_key(mask)), unlike.get(_key(mask))) for mask in seen]
    return Ranking(sorted(proposals, key=lambda one: -one.similarity), is_answer)


def _key(mask: Mask) -> tuple[object, ...]:
    return (*mask.bbox, mask.area, mask.rle["counts"])


def _proposal(seen: Mask, chosen: Mask | None, unlike: Mask | None) -> Proposal:
    """Make one of a mask compared with the texts, the same as it was chosen, and compared with the negative texts."""
    mask = chosen or seen
    similarity = -1.0 if mask.similarity is None else mask.similarity
    more_like = None
    if chosen is None and unlike is not None and unlike.similarity is not None and unlike.similarity > similarity:
        more_like = unlike.label
    return Proposal(mask, chosen is not None, mask.label or "", similarity, mask.probability, more_like)
