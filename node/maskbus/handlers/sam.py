"""SAM, MobileSAM and SAM 2: one handler, a class for each published model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from maskbus import weights
from maskbus.interfaces import (
    DEFAULT_EVERYTHING,
    Availability,
    Candidates,
    DecodeOptions,
    Embedding,
    GridDecoder,
    Handler,
    Image,
    Job,
    LoadContext,
    Masks,
    ModelInfo,
    ModelUnavailable,
    Prompt,
    UnsupportedPrompt,
)

if TYPE_CHECKING:
    from maskbus.models.segmenter import SamEmbedding

FloatArray = npt.NDArray[np.float32]

_PACKAGES = ("torch", "transformers", "safetensors")
_STABILITY_OFFSET = 1.0
_IMAGES_ON_CUDA = 8


class SamHandler(Handler, GridDecoder):
    """Answer points, boxes, masks and logits with a promptable transformer.

    Coordinates go to the model as they are, as the authors' predictors take them. Without `multimask` the answer is one
    mask an object: SAM's hypothesis for unambiguous prompts, which SAM 2 replaces by the best of the others where it is
    not stable. With it, there are three for one object, best first; several boxes are several objects, with one mask
    each. Logits are 256 × 256, of the model's square; SAM's have the photo at the top left of it.
    """

    variant: ClassVar[str]
    """Name of the published model."""

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        try:
            from maskbus.models import loading
        except ImportError as problem:
            raise ModelUnavailable(f"{problem}: pip install 'maskbus[sam]'") from problem
        self._segmenter = loading.load(self.variant, context)

    @classmethod
    def availability(cls, context: LoadContext) -> Availability:
        """Tell whether the packages and the weights are there."""
        return weights.availability(cls.variant, context, _PACKAGES)

    @property
    def batch(self) -> int:
        """How many images are embedded at once: a CPU gains nothing by more than one."""
        return _IMAGES_ON_CUDA if self.context.device.startswith("cuda") else 1

    @property
    def weights_digest(self) -> str:
        """Tell the weights from all others."""
        return self._segmenter.digest

    def embed(self, images: Sequence[Image], job: Job) -> Sequence[Embedding]:
        """Return image embeddings, and what the first layer of the mask decoder makes of them."""
        return self._segmenter.embed(images, job)

    def decode(self, embedding: Embedding, prompt: Prompt, options: DecodeOptions, job: Job) -> Masks:
        """Return the masks that `prompt` points at."""
        known = _own(embedding)
        unknown = prompt.kinds - self.info.prompts
        if unknown or prompt.is_empty:
            what = ", ".join(sorted(unknown)) or "no prompt at all"
            raise UnsupportedPrompt(f"{self.variant} takes points, boxes, masks and logits, not {what}.")
        several = options.multimask and len(prompt.boxes) <= 1
        found = self._segmenter.decode(known, prompt, job, several=several)
        logits = np.concatenate([hypotheses.logits for hypotheses in found])
        iou = np.concatenate([hypotheses.iou for hypotheses in found])
        if several:
            best_first = np.argsort(-iou, kind="stable")
            logits, iou = logits[best_first], iou[best_first]
        masks = np.zeros((len(logits), known.framing.height, known.framing.width), np.bool_)
        stability = np.zeros(len(logits), np.float32)
        for n, low in enumerate(logits):
            job.check()
            full = known.framing.upscale(low)
            np.greater(full, 0, out=masks[n])
            stability[n] = _stability(full)
        return Masks(
            masks=masks,
            predicted_iou=iou.clip(0, 1),
            stability_score=stability,
            logits=self._segmenter.answered_logits(logits) if options.logits else None,
        )

    def decode_grid(self, embedding: Embedding, points: FloatArray, pred_iou_thresh: float, job: Job) -> Candidates:
        """Return the masks of single points, three hypotheses each, that the model itself believes in."""
        return self._segmenter.decode_grid(_own(embedding), points, pred_iou_thresh, job)

    def upscale(self, embedding: Embedding, logits: FloatArray) -> FloatArray:
        """Return logits at the photo's size, as the authors' predictors scale them."""
        return _own(embedding).framing.upscale(logits)


def _own(embedding: Embedding) -> SamEmbedding:
    from maskbus.models.segmenter import SamEmbedding

    assert isinstance(embedding, SamEmbedding)
    return embedding


def _stability(logits: FloatArray) -> float:
    """Return the IoU of the mask with itself between a higher and a lower threshold; that of an empty one is 0."""
    outer = int(np.count_nonzero(logits > -_STABILITY_OFFSET))
    return int(np.count_nonzero(logits > _STABILITY_OFFSET)) / outer if outer else 0.0


def describe(title: str, homepage: str, *, sam2: bool) -> ModelInfo:
    """Return what all models of these families have in common to say of themselves."""
    return ModelInfo(
        title=title,
        prompts=frozenset({"points", "boxes", "mask", "logits"}),
        licence="Apache-2.0",
        multimask=True,
        has_logits=True,
        # The defaults of the authors' generators.
        everything=DEFAULT_EVERYTHING if sam2 else replace(DEFAULT_EVERYTHING, pred_iou_thresh=0.88),
        tracks=sam2,
        homepage=homepage,
    )


MOBILE_SAM_PAGE = "https://github.com/ChaoningZhang/MobileSAM"
SAM_PAGE = "https://github.com/facebookresearch/segment-anything"


class MobileSam(SamHandler):
    """MobileSAM: SAM's decoder behind an encoder of 5 million parameters."""

    variant = "mobile-sam"
    info = describe("MobileSAM: the small one, for a plain CPU", MOBILE_SAM_PAGE, sam2=False)


class SamVitB(SamHandler):
    """SAM with its smallest encoder."""

    variant = "sam-vit-b"
    info = describe("SAM, ViT-B: 91 million parameters", SAM_PAGE, sam2=False)


class SamVitL(SamHandler):
    """SAM with its middle encoder."""

    variant = "sam-vit-l"
    info = describe("SAM, ViT-L: 308 million parameters", SAM_PAGE, sam2=False)


class SamVitH(SamHandler):
    """SAM with its largest encoder."""

    variant = "sam-vit-h"
    info = describe("SAM, ViT-H: 636 million parameters", SAM_PAGE, sam2=False)
