"""Points decoded one by one, as any handler can."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from maskbus.everything.hits import Hit, trimmed
from maskbus.interfaces import DecodeOptions, Embedding, EverythingSettings, Handler, Job, Prompt

_ONE = np.ones(1, np.int8)


class PointHits:
    """Ask a handler for the masks at single points, with all its hypotheses where it has several."""

    def __init__(self, handler: Handler, embedding: Embedding, settings: EverythingSettings, job: Job) -> None:
        self._handler = handler
        self._embedding = embedding
        self._settings = settings
        self._job = job

    def decode(self, points: npt.NDArray[np.float64]) -> list[Hit]:
        """Return the masks of `points`, (N, 2) in pixels of the crop, that pass both thresholds."""
        return [hit for i, point in enumerate(points.astype(np.float32)) for hit in self._at(i, point)]

    def _at(self, index: int, point: npt.NDArray[np.float32]) -> list[Hit]:
        prompt = Prompt(points=point[None], labels=_ONE)
        options = DecodeOptions(multimask=self._handler.info.multimask)
        found = self._handler.decode(self._embedding, prompt, options, self._job)
        hits: list[Hit] = []
        for mask, predicted_iou, stability in zip(
            found.masks, found.predicted_iou.tolist(), found.stability_score.tolist(), strict=True
        ):
            if self._passes(predicted_iou, stability):
                x, y, patch = trimmed(mask)
                if patch.size:
                    hits.append(Hit(patch, x, y, predicted_iou, stability, index))
        return hits

    def _passes(self, predicted_iou: float, stability: float) -> bool:
        settings = self._settings
        trusted = predicted_iou > settings.pred_iou_thresh or not settings.pred_iou_thresh
        return trusted and stability >= settings.stability_score_thresh
