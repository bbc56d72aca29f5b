"""A model that reads texts without a network: it knows colours by their names, and how much areas are like them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskbus.interfaces import Handler, Masks, ModelInfo, TextScore

WORDS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "white": (1, 1, 1)}
TEMPERATURE = 100.0


@dataclass
class Areas:
    """The areas of one colour each, but for the darkest one, which they lie on."""

    masks: np.ndarray
    """bool (N, H, W)"""
    colours: np.ndarray
    """float (N, 3), of length 1"""

    @property
    def nbytes(self) -> int:
        return int(self.masks.nbytes)


class ColourText(Handler):
    """Compare each area's colour with those that a text names."""

    info = ModelInfo(title="Colours by name", prompts=frozenset({"text"}), licence="MIT")
    embedded = 0

    def embed(self, images, job):
        type(self).embedded += len(images)
        return [_areas(image.rgb) for image in images]

    def decode(self, embedding, prompt, options, job):
        wanted = options.text
        select = wanted.select or "softmax"
        threshold = wanted.threshold if wanted.threshold is not None else {"softmax": 0.1, "cosine": 0.25}.get(select)
        count = len(embedding.masks)
        cosines = np.stack([embedding.colours @ _direction(text) for text in prompt.texts])  # (texts, masks)
        powers = np.exp(TEMPERATURE * (cosines - cosines.max(initial=-1)))
        shares = powers / powers.sum(1, keepdims=True)
        if select == "top":
            chosen = np.argsort(np.argsort(-cosines, 1, kind="stable"), 1) < (wanted.top or 1)
        else:
            chosen = (shares if select == "softmax" else cosines) >= threshold
        for text in prompt.negative_texts:
            chosen &= cosines >= embedding.colours @ _direction(text)
        # An area that several texts choose is the most similar one's.
        mine = np.where(chosen, cosines, -2).argmax(0)
        found = [(text, mask) for text in range(len(cosines)) for mask in np.flatnonzero(chosen[text] & (mine == text))]
        scores = tuple(
            TextScore(
                name, int(chosen[i].sum()), count, *((float(cosines[i].max()), float(shares[i].max())) if count else ())
            )
            for i, name in enumerate(prompt.texts)
        )
        groups = [[one] for one in found]
        if wanted.combine == "union":
            groups = [group for i in range(len(cosines)) if (group := [one for one in found if one[0] == i])]
        masks = np.zeros((len(groups), *embedding.masks.shape[1:]), bool)
        for i, group in enumerate(groups):
            masks[i] = embedding.masks[[mask for _, mask in group]].any(0)
        best = [max(group, key=lambda one: cosines[one]) for group in groups]
        return Masks(
            masks,
            predicted_iou=np.full(len(groups), 0.9, np.float32),
            stability_score=np.full(len(groups), 0.8, np.float32),
            labels=tuple(prompt.texts[text] for text, _ in best),
            similarity=np.array([cosines[one] for one in best], np.float32),
            probability=np.array([shares[one] for one in best], np.float32),
            scores=scores,
        )


def _areas(rgb: np.ndarray) -> Areas:
    colours = np.unique(rgb.reshape(-1, 3), axis=0)
    colours = colours[colours.sum(1) > 90]
    masks = (
        np.stack([(rgb == colour).all(2) for colour in colours])
        if len(colours)
        else np.zeros((0, *rgb.shape[:2]), bool)
    )
    lengths = np.linalg.norm(colours, axis=1, keepdims=True)
    return Areas(masks, colours / np.maximum(lengths, 1))


def _direction(text: str) -> np.ndarray:
    named = [WORDS[word] for word in text.lower().split() if word in WORDS]
    colour = np.sum(named, axis=0) if named else np.array((-1.0, -1.0, -1.0))
    return colour / np.linalg.norm(colour)
