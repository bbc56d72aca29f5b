"""Segment by GrabCut: the model that is always there. No weights, no torch, no download."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from maskbus.interfaces import (
    BadPrompt,
    DecodeOptions,
    Embedding,
    EverythingSettings,
    Handler,
    Image,
    Job,
    LoadContext,
    Masks,
    ModelInfo,
    ModelUnavailable,
    Prompt,
    Tracker,
    TrackerOptions,
    UnsupportedPrompt,
)

if TYPE_CHECKING:
    from maskbus.handlers.grabcut_objects import Candidate


class GrabCutHandler(Handler):
    """Answer clicks, boxes and masks to refine, by colour and contrast alone.

    A picture is scaled to a working copy of at most 320 pixels a side and split into some 800 regions; a prompt becomes
    soft memberships of these regions at several scales; a graph cut (Rother et al. 2004) makes pixels of them; a guided
    filter (He et al. 2010) brings the cut to the full picture's edges.

    Clicks correct the answer one by one in the order given: one on the background only takes away, one on the object
    only adds. A mask beside clicks is corrected by them; a mask alone is refined. Corrections are quickest with the
    previous answer's mask beside all clicks so far: then only the clicks that contradict it are worked on. Every click
    is obeyed to the pixel.

    `predicted_iou` and `stability_score` are described at `grabcut_objects.Candidate`.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        title="GrabCut: colour and contrast, no weights",
        prompts=frozenset({"points", "boxes", "mask"}),
        licence="Apache-2.0",
        multimask=True,
        # Its scores are lower than a network's: colours alone say little about where a thing ends.
        everything=EverythingSettings(pred_iou_thresh=0.5, stability_score_thresh=0.03),
        tracks=True,
        homepage="https://doi.org/10.1145/1015706.1015720",
    )

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        try:
            import cv2
        except ImportError as problem:
            raise ModelUnavailable(f"OpenCV cannot be imported ({problem}): pip install 'maskbus[node]'") from problem
        if context.threads > 0:
            cv2.setNumThreads(context.threads)

    def embed(self, images: Sequence[Image], job: Job) -> Sequence[Embedding]:
        """Return the working copies, regions and matrices of `images`, and a copy of their pixels."""
        from maskbus.handlers.grabcut_regions import prepare

        prepared: list[Embedding] = []
        for image in images:
            job.check()
            prepared.append(prepare(image.bgr))
        return prepared

    def decode(self, embedding: Embedding, prompt: Prompt, options: DecodeOptions, job: Job) -> Masks:
        """Return one mask for each box, or one for all points together; up to three of these with `multimask`."""
        from maskbus.handlers.grabcut_objects import outline, search
        from maskbus.handlers.grabcut_regions import WorkingImage

        assert isinstance(embedding, WorkingImage)
        _check(prompt, self.info.prompts)
        found: list[Candidate] = []
        for one in prompt.objects():
            job.check()
            found += search(embedding, one, job, several=options.multimask and len(prompt.boxes) <= 1)
        height, width = embedding.guide.shape[:2]
        masks = np.zeros((len(found), height, width), np.bool_)
        for mask, candidate in zip(masks, found, strict=True):
            job.check()
            mask[:] = outline(embedding, candidate, prompt)
        return Masks(
            masks=masks,
            # Nothing found is nothing to trust.
            predicted_iou=np.array(
                [one.predicted_iou if mask.any() else 0.0 for one, mask in zip(found, masks, strict=True)], np.float32
            ),
            stability_score=np.array([candidate.stability for candidate in found], np.float32),
        )

    def tracker(self, options: TrackerOptions) -> Tracker:
        """Begin to follow objects through a video."""
        from maskbus.handlers.grabcut_track import GrabCutTracker

        return GrabCutTracker(self, options)


def _check(prompt: Prompt, taken: frozenset[str]) -> None:
    if prompt.is_empty:
        raise UnsupportedPrompt("grabcut needs a click, a box or a mask to refine: it cannot answer without a prompt.")
    unknown = prompt.kinds - taken
    if unknown:
        raise UnsupportedPrompt(f"grabcut takes points, boxes and masks, not {', '.join(sorted(unknown))}.")
    only_background = len(prompt.labels) > 0 and not bool((prompt.labels == 1).any())
    if only_background and not len(prompt.boxes) and prompt.mask is None:
        raise BadPrompt("Every point is a background point: add one on the object, a box or a mask.")
    if prompt.mask is not None and not len(prompt.points) and not len(prompt.boxes) and not prompt.mask.any():
        raise BadPrompt("The mask to refine is empty: add a point on the object or a box.")
