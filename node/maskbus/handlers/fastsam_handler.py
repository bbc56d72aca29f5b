"""FastSAM, whatever computes its network: a detector of all objects, which is asked for some of them later."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from maskbus.everything.hits import trimmed
from maskbus.handlers.fastsam_options import FastSamOptions
from maskbus.interfaces import (
    BadPrompt,
    DecodeOptions,
    Embedding,
    EverythingSettings,
    FoundObject,
    Handler,
    Image,
    Job,
    Masks,
    ObjectFinder,
    Prompt,
    UnsupportedPrompt,
)

if TYPE_CHECKING:
    from maskbus.handlers.fastsam_letterbox import Letterbox
    from maskbus.handlers.fastsam_prompts import Meant
    from maskbus.handlers.fastsam_proposals import FloatArray, Proposals

EVERYTHING = EverythingSettings(pred_iou_thresh=0.4, stability_score_thresh=0.0, box_nms_thresh=0.9)
"""The authors' thresholds; they know no stability."""


class FastSamHandler(Handler, ObjectFinder):
    """Answer points and boxes with the objects that a network finds in a photo (Zhao et al. 2023).

    The network does not see the prompt: what it has not found, no click gets. Points are answered by the objects that
    have them, with `multimask` up to three, and by no mask at all where no object has them. Each box is answered by one
    mask, in order; an empty one with a `predicted_iou` of 0 where no object overlaps it. How they are chosen is said in
    `maskbus.handlers.fastsam_prompts`. `predicted_iou` is the network's confidence, and `stability_score` the IoU of
    the mask with itself when the threshold of its logits moves by ±1.
    """

    options: FastSamOptions

    @abstractmethod
    def frame(self, height: int, width: int) -> Letterbox:
        """Return how a photo of this size lies in what the network looks at."""

    @abstractmethod
    def compute(self, pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Run the network.

        Args:
            pixels: (1, 3, height, width), of a `Letterbox`.

        Returns:
            Predictions (5 + M, N) and prototypes (M, h, w); see `fastsam_proposals.proposals`.
        """

    def embed(self, images: Sequence[Image], job: Job) -> Sequence[Embedding]:
        """Return the objects of each photo."""
        from maskbus.handlers.fastsam_proposals import proposals

        embeddings: list[Embedding] = []
        for image in images:
            job.check()
            frame = self.frame(image.height, image.width)
            predictions, prototypes = self.compute(frame.pixels(image.rgb))
            options = self.options
            embeddings.append(
                proposals(predictions, prototypes, frame, conf=options.conf, iou=options.iou, max_det=options.max_det)
            )
        return embeddings

    def decode(self, embedding: Embedding, prompt: Prompt, options: DecodeOptions, job: Job) -> Masks:
        """Return the masks that `prompt` points at."""
        from maskbus.handlers.fastsam_prompts import by_box, by_points

        found = _own(embedding)
        self._check(prompt)
        meant: list[Meant | None] = []
        if len(prompt.boxes):
            meant += [by_box(found, box, prompt.points, prompt.labels, job) for box in prompt.boxes]
        else:
            meant += by_points(found, prompt.points, prompt.labels, job, several=options.multimask)
        masks = np.zeros((len(meant), found.height, found.width), np.bool_)
        predicted_iou, stability = np.zeros((2, len(meant)), np.float32)
        for n, one in enumerate(meant):
            if one is not None:
                cut = one.cut
                masks[n, cut.y : cut.y + cut.mask.shape[0], cut.x : cut.x + cut.mask.shape[1]] = cut.mask
                predicted_iou[n], stability[n] = one.predicted_iou, cut.stability
        return Masks(masks, predicted_iou, stability)

    def find(self, embedding: Embedding, settings: EverythingSettings, job: Job) -> Sequence[FoundObject]:
        """Return all objects. Those of less confidence than the model's option `conf` are not among them."""
        found = _own(embedding)
        objects: list[FoundObject] = []
        for which, confidence in enumerate(found.confidence.tolist()):
            if settings.pred_iou_thresh and confidence <= settings.pred_iou_thresh:
                break
            job.check()
            cut = found.cut(which, settings.stability_score_offset)
            if cut.stability < settings.stability_score_thresh or not cut.mask.size:
                continue
            x, y, patch = trimmed(cut.mask)
            if not patch.size:
                continue
            row, column = _inner(patch)
            x, y = x + cut.x, y + cut.y
            objects.append(
                FoundObject(
                    bbox=(x, y, patch.shape[1], patch.shape[0]),
                    patch=patch,
                    area=int(np.count_nonzero(patch)),
                    predicted_iou=confidence,
                    stability_score=cut.stability,
                    point=(float(x + column), float(y + row)),
                    crop_box=(0, 0, found.width, found.height),
                )
            )
        return objects

    def _check(self, prompt: Prompt) -> None:
        unknown = prompt.kinds - self.info.prompts
        if unknown or prompt.is_empty:
            what = ", ".join(sorted(unknown)) or "no prompt at all"
            raise UnsupportedPrompt(f"{self.context.model} takes points and boxes, not {what}.")
        if not len(prompt.boxes) and not (prompt.labels == 1).any():
            raise BadPrompt("Every point is a background point: add one on the object, or a box.")


def _own(embedding: Embedding) -> Proposals:
    from maskbus.handlers.fastsam_proposals import Proposals

    assert isinstance(embedding, Proposals)
    return embedding


def _inner(patch: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> tuple[int, int]:
    """Return row and column of a pixel well inside a mask: the middle of the longest run of its middle row."""
    pixels = np.cumsum(np.count_nonzero(patch, axis=1))
    row = int(np.searchsorted(pixels, (pixels[-1] + 1) // 2))
    steps = np.flatnonzero(np.diff(patch[row].astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    begin, end = steps[np.argmax(steps[:, 1] - steps[:, 0])]
    return row, int(begin + end - 1) // 2
