"""A model that answers what it was asked: for tests, benchmarks, and to see that all else works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import DecodeOptions, Embedding, Handler, Image, Job, Masks, ModelInfo, Prompt

_DOT = 3


@dataclass(frozen=True)
class ImageSize:
    """All that echo remembers of an image."""

    height: int
    width: int
    nbytes: int = 16


class EchoHandler(Handler):
    """Answer the prompt as masks; with no prompt, no mask, and the reply's width and height are the image's own size.

    Boxes come back filled, points as squares of 3 × 3 pixels (background points cut theirs out), a mask as it is.
    """

    info = ModelInfo(
        title="Echo: the prompt itself as masks; for tests and benchmarks",
        prompts=frozenset({"points", "boxes", "mask", "logits", "none"}),
        licence="Apache-2.0",
        has_logits=True,
        cache_embeddings=False,
    )

    def embed(self, images: Sequence[Image], job: Job) -> Sequence[Embedding]:
        """Remember the size."""
        return [ImageSize(image.height, image.width) for image in images]

    def decode(self, embedding: Embedding, prompt: Prompt, options: DecodeOptions, job: Job) -> Masks:
        """Return the prompt as masks."""
        assert isinstance(embedding, ImageSize)
        if prompt.is_empty:
            return Masks.none(embedding.height, embedding.width)
        objects = list(prompt.objects())
        masks = np.zeros((len(objects), embedding.height, embedding.width), np.bool_)
        for mask, one in zip(masks, objects, strict=True):
            _draw(mask, one)
        ones = np.ones(len(masks), np.float32)
        logits = np.where(masks, np.float32(1), np.float32(-1)) if options.logits else None
        return Masks(masks, ones, ones, logits)


def _draw(mask: npt.NDArray[np.bool_], prompt: Prompt) -> None:
    """Draw one object's prompt into an empty mask."""
    height, width = mask.shape
    if prompt.mask is not None:
        mask |= prompt.mask
    if prompt.logits is not None:
        rows = np.arange(height) * prompt.logits.shape[0] // height
        columns = np.arange(width) * prompt.logits.shape[1] // width
        mask |= prompt.logits[rows[:, None], columns[None]] > 0
    for x0, y0, x1, y1 in prompt.boxes:
        mask[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
    reach = _DOT // 2
    for wanted in (1, 0):
        for x, y in prompt.points[prompt.labels == wanted]:
            row, column = min(int(y + 0.5), height - 1), min(int(x + 0.5), width - 1)
            mask[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1] = wanted == 1
