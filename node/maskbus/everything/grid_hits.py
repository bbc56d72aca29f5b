"""Points decoded many at once, for handlers that can."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from maskbus.everything.hits import BoolArray, Hit, trimmed
from maskbus.everything.scale import Scale
from maskbus.interfaces import Embedding, EverythingSettings, GridDecoder, Job

_ROWS = 64
"""Of these, the pixels of a wide image still fit in a core's cache: three looks at them cost little more than one."""


class GridHits:
    """Decode the points of one crop. A mask is scaled up at most once, and not at all if it is hopeless."""

    def __init__(self, handler: GridDecoder, embedding: Embedding, settings: EverythingSettings, job: Job) -> None:
        self._handler = handler
        self._embedding = embedding
        self._settings = settings
        self._job = job
        self._scale: Scale | None = None
        self._scale_is_known = False

    def decode(self, points: npt.NDArray[np.float64]) -> list[Hit]:
        """Return the masks of `points`, (N, 2) in pixels of the crop, that pass both thresholds."""
        # The reference filters nothing at a threshold of 0, where a model may estimate less than that.
        threshold = self._settings.pred_iou_thresh or -np.inf
        found = self._handler.decode_grid(self._embedding, points.astype(np.float32), threshold, self._job)
        hits = zip(found.logits, found.predicted_iou.tolist(), found.points.tolist(), strict=True)
        return list(self._passing(hits))

    def _passing(self, hits: Iterator[tuple[npt.NDArray[np.float32], float, int]]) -> Iterator[Hit]:
        offset, least = self._settings.stability_score_offset, self._settings.stability_score_thresh
        for logits, predicted_iou, point in hits:
            rows, columns = slice(None), slice(None)
            scale = self._scale_of(logits)
            if scale is not None:
                if scale.best_stability(logits, offset) < least:
                    continue
                rows, columns = scale.window(logits, offset)
            patch, stability = thresholded(self._handler.upscale(self._embedding, logits)[rows, columns], offset)
            if stability < least or not patch.size:
                continue
            x, y, patch = trimmed(patch)
            if patch.size:
                yield Hit(patch, x + (columns.start or 0), y + (rows.start or 0), predicted_iou, stability, point)

    def _scale_of(self, logits: npt.NDArray[np.float32]) -> Scale | None:
        if not self._scale_is_known:
            self._scale = Scale.measured(self._handler, self._embedding, *logits.shape)
            self._scale_is_known = True
        return self._scale


def thresholded(logits: npt.NDArray[np.float32], offset: float) -> tuple[BoolArray, float]:
    """Return the mask that logits (h, w) make, and its stability score; 0 where they make none at all.

    The score is the IoU of the masks that they make at thresholds `offset` above and below 0.
    """
    mask = np.empty(logits.shape, np.bool_)
    inner = outer = 0
    for row in range(0, len(logits), _ROWS):
        rows = logits[row : row + _ROWS]
        np.greater(rows, 0, out=mask[row : row + _ROWS])
        inner += np.count_nonzero(rows > offset)
        outer += np.count_nonzero(rows > -offset)
    return mask, float(inner / outer) if outer else 0.0
