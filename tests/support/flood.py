"""A model that proposes masks in no time: whatever is connected to a click and of about its colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from maskbus.handlers import registry, text_proposals
from maskbus.interfaces import EverythingSettings, Handler, Masks, ModelInfo


@dataclass
class Colours:
    bgr: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.bgr.nbytes


class FloodHandler(Handler):
    info = ModelInfo(
        title="Flood",
        prompts=frozenset({"points"}),
        licence="MIT",
        everything=EverythingSettings(points_per_side=12, pred_iou_thresh=0.5, stability_score_thresh=0.5, retry=False),
    )

    def embed(self, images, job):
        return [Colours(cv2.blur(image.bgr, (3, 3))) for image in images]

    def decode(self, embedding, prompt, options, job):
        height, width = embedding.bgr.shape[:2]
        filled = np.zeros((height + 2, width + 2), np.uint8)
        flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | (1 << 8)
        for x, y in prompt.points.astype(int):
            cv2.floodFill(embedding.bgr, filled, (int(x), int(y)), 0, [40] * 3, [40] * 3, flags)
        mask = filled[1:-1, 1:-1]
        _, _, across, down = cv2.boundingRect(mask)
        # Of an object and its mere edge, which have one box, the object is the better one.
        score = np.full(1, 0.6 + 0.4 * mask.sum() / max(1, across * down), np.float32)
        return Masks(mask[None].astype(bool), predicted_iou=score, stability_score=score - 0.1)


class AloneHandler(FloodHandler):
    info = ModelInfo(title="Alone", prompts=frozenset({"points"}), licence="MIT", alone=True)


@contextmanager
def installed() -> Iterator[None]:
    """Have `flood` and `alone` among the handlers that may propose, in this process."""
    known: Mapping[str, str] = {
        **registry.installed(),
        "flood": "support.flood:FloodHandler",
        "alone": "support.flood:AloneHandler",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_proposals, "installed", lambda: known)
        yield
