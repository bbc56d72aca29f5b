"""A model that answers what it was asked: for tests, benchmarks, and to see that all else works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskbus.handlers.echo_drawing import draw
from maskbus.handlers.echo_tracker import EchoTracker
from maskbus.interfaces import (
    DecodeOptions,
    Embedding,
    Handler,
    Image,
    Job,
    Masks,
    ModelInfo,
    Prompt,
    Tracker,
    TrackerOptions,
)


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
        tracks=True,
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
            draw(mask, one)
        ones = np.ones(len(masks), np.float32)
        logits = np.where(masks, np.float32(1), np.float32(-1)) if options.logits else None
        return Masks(masks, ones, ones, logits)

    def tracker(self, options: TrackerOptions) -> Tracker:
        """Begin to follow objects; they stay where they are."""
        return EchoTracker(options)
