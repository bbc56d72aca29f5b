"""Plain `cv2.grabCut` in a box (Rother et al. 2004), as one would call it oneself, in the shape of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from maskbus.interfaces import DecodeOptions, Embedding, Handler, Image, Job, LoadContext, Masks, ModelInfo, Prompt

NAME = "cv2.grabCut"


class _Pixels:
    def __init__(self, bgr: npt.NDArray[np.uint8]) -> None:
        self.bgr = bgr
        self.nbytes = bgr.nbytes


class PlainGrabCut(Handler):
    """Five rounds; what is outside of the box is background."""

    info: ClassVar[ModelInfo] = ModelInfo(title=NAME, prompts=frozenset({"boxes"}), licence="Apache-2.0")

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        cv2.setNumThreads(context.threads)

    def embed(self, images: Sequence[Image], job: Job) -> Sequence[Embedding]:
        return [_Pixels(image.bgr) for image in images]

    def decode(self, embedding: Embedding, prompt: Prompt, options: DecodeOptions, job: Job) -> Masks:
        assert isinstance(embedding, _Pixels)
        mask = np.zeros(embedding.bgr.shape[:2], np.uint8)
        x0, y0, x1, y1 = (int(value) for value in prompt.boxes[0])
        mask[y0 : y1 + 1, x0 : x1 + 1] = cv2.GC_PR_FGD
        cv2.setRNGSeed(0)
        if not mask.all():  # A box around everything leaves no background to learn from.
            models = np.zeros((1, 65)), np.zeros((1, 65))
            cv2.grabCut(embedding.bgr, mask, (0, 0, 1, 1), *models, 5, cv2.GC_INIT_WITH_MASK)
        unknown = np.full(1, np.nan, np.float32)
        return Masks((mask & 1).astype(bool)[None], unknown, unknown)
