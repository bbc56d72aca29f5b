"""Everything mode of the handlers finds the masks that the authors' generators find, with the same weights."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from maskbus.contract import FreeJob
from maskbus.everything import search
from maskbus.interfaces import EverythingSettings, Handler, Image
from support.sam_references import scene

ASKED = {"points_per_side": 5, "stability_score_thresh": 0.02, "box_nms_thresh": 1.0}
"""Untrained masks spread over the whole picture: of boxes that are all alike one would be left."""


def generator(model: Any, **settings: Any) -> Any:
    """Return the authors' generator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reference's own
        if hasattr(model, "sam_mask_decoder"):
            from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator

            return SAM2AutomaticMaskGenerator(model, **settings)
        from segment_anything import SamAutomaticMaskGenerator

        return SamAutomaticMaskGenerator(model, **settings)


@pytest.mark.parametrize("family", ["sam", "sam2"])
def test_the_masks_are_the_authors(family: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(family)
    handler: Any = request.getfixturevalue(f"{family}_handler")
    pixels = scene(211, 307)
    embedding = handler.embed([Image(pixels)], FreeJob())[0]
    points = np.random.default_rng(1).uniform(5, 200, (16, 2)).astype(np.float32)
    scores = handler.decode_grid(embedding, points, -np.inf, FreeJob()).predicted_iou
    thresh = max(0.001, float(np.quantile(scores, 0.3)))  # below 0 the authors filter nothing
    expected = generator(model, pred_iou_thresh=thresh, **ASKED).generate(pixels)
    found = search(handler, Image(pixels), EverythingSettings(pred_iou_thresh=thresh, retry=False, **ASKED), FreeJob())
    assert len(expected) >= 3
    theirs = np.array([one["segmentation"].ravel() for one in expected], np.float32)
    ours = np.array([one.full(211, 307).ravel() for one in found.objects], np.float32)
    both = theirs @ ours.T
    iou = both / (theirs.sum(1)[:, None] + ours.sum(1)[None] - both)
    assert (iou.max(1) >= 0.99).mean() >= 0.99
    assert (iou.max(0) >= 0.99).mean() >= 0.99


def test_a_grid_is_decoded_as_its_points_are(sam2_handler: Handler) -> None:
    """Chunks of several points give what each point alone gives."""
    handler: Any = sam2_handler
    embedding = handler.embed([Image(scene(211, 307))], FreeJob())[0]
    points = np.array([[10, 20], [150, 100], [300, 200]], np.float32)
    together = handler.decode_grid(embedding, points, -np.inf, FreeJob())
    assert together.points.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    alone = [handler.decode_grid(embedding, point[None], -np.inf, FreeJob()) for point in points]
    assert np.abs(together.logits - np.concatenate([one.logits for one in alone])).max() < 1e-4
    none = handler.decode_grid(embedding, points, 1e9, FreeJob())
    assert none.logits.shape == (0, 256, 256)
    assert len(none.points) == len(none.predicted_iou) == 0
