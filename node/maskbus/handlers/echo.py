"""A model that answers what it was asked: for tests, benchmarks, and to see that all else works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
        masks = np.stack([self._draw(embedding, one) for one in prompt.objects()])
        ones = np.ones(len(masks), np.float32)
        logits = np.where(masks, np.float32(1), np.float32(-1)) if options.logits else None
        return Masks(masks, ones, ones, logits)

    def _draw(self, size: ImageSize, prompt: Prompt) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        mask = np.zeros((size.height, size.width), np.bool_)
        if prompt.mask is not None:
            mask |= prompt.mask
        if prompt.logits is not None:
            rows = np.arange(size.height) * prompt.logits.shape[0] // size.height
            columns = np.arange(size.width) * prompt.logits.shape[1] // size.width
            mask |= prompt.logits[rows[:, None], columns[None]] > 0
        for x0, y0, x1, y1 in prompt.boxes:
            mask[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
        for wanted in (1, 0):
            for x, y in prompt.points[prompt.labels == wanted]:
                row, column = int(y + 0.5), int(x + 0.5)
                reach = _DOT // 2
                mask[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1] = wanted == 1
        return mask
