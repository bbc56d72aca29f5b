"""A CLIP at work: crops and texts to vectors that lie near each other where they mean the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from maskbus.interfaces import Job
from maskbus.models.clip_crops import BoolArray, Box, CropCutter, Look, UInt8Array
from maskbus.models.clip_recipe import ClipRecipe
from maskbus.models.clip_texts import TextVectors
from maskbus.models.runtime import Stage

FloatArray = npt.NDArray[np.float32]

_AT_ONCE, _AT_ONCE_ON_CUDA = 16, 64


class Clip:
    """Join an image tower and a text tower (Radford et al. 2021, Learning Transferable Visual Models)."""

    def __init__(
        self,
        images: Stage,
        texts: TextVectors,
        *,
        side: int,
        scale: float,
        recipe: ClipRecipe,
        device: str,
        digest: str,
    ) -> None:
        """Begin.

        Args:
            images: The image tower: normalised crops (N, 3, side, side) to vectors (N, D) of length 1.
            texts: The text tower.
            side: Of the crops, pixels.
            scale: What similarities are multiplied with before a softmax.
            recipe: What the colours of crops become.
            device: Where crops are made.
            digest: SHA-256 of the weights, hex.
        """
        self.scale = scale
        self.digest = digest
        self.side = side
        self.recipe = recipe
        self._images = images
        self._texts = texts
        self._device = device
        self._mean, self._deviation = (
            torch.tensor(values, device=device).view(3, 1, 1) for values in (recipe.mean, recipe.deviation)
        )

    def see(
        self, rgb: UInt8Array, boxes: Sequence[Box], patch: Callable[[int], BoolArray], look: Look, job: Job
    ) -> FloatArray:
        """Return the vectors of N masks of one picture, float32 (N, D), of length 1.

        Args:
            rgb: The picture, uint8 (H, W, 3).
            boxes: Of each mask.
            patch: Returns the mask with this number inside of its box.
            look: What is shown of each.
            job: Is asked between batches whether to go on.
        """
        vectors: list[Tensor] = []
        with torch.inference_mode():
            cutter = CropCutter(rgb, self.side, self.recipe.grey, self._device)
            for start, end in batches(len(boxes), _AT_ONCE if self._device == "cpu" else _AT_ONCE_ON_CUDA):
                job.check()
                crops = cutter.cut(boxes[start:end], [patch(i) for i in range(start, end)], look)
                vectors += self._images([(crops - self._mean) / self._deviation])
        return torch.cat(vectors).cpu().numpy() if vectors else np.zeros((0, 0), np.float32)

    def read(self, texts: Sequence[str]) -> FloatArray:
        """Return the vectors of at least one text, float32 (N, D), of length 1."""
        return self._texts.of(texts)


def batches(count: int, most: int) -> list[tuple[int, int]]:
    """Return first and last + 1 of each batch: powers of 2, so that runtimes see but a few sizes."""
    parts: list[tuple[int, int]] = []
    start = 0
    while start < count:
        size = most
        while size > count - start:
            size //= 2
        parts.append((start, start + size))
        start += size
    return parts
