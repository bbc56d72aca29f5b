"""What holds for everything mode, for grids of points, and for several images at once."""

# ruff: noqa: D102 — a test's name says what it checks

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from maskbus import everything
from maskbus.contract.case import Case
from maskbus.contract.jobs import CancelledJob, FreeJob
from maskbus.contract.scene import disc, examples, scene
from maskbus.interfaces import (
    DecodeOptions,
    EverythingSettings,
    Found,
    GridDecoder,
    Image,
    JobAborted,
    Prompt,
)

_ALL = EverythingSettings(points_per_side=4, pred_iou_thresh=-1.0, stability_score_thresh=0.0, retry=False)
"""A coarse grid that keeps whatever it finds."""
_POINTS = np.array([[70, 30], [0, 0], [120, 80], [33.3, 61.7], [5, 79]], np.float32)


class EverythingContract(Case):
    """Part of `HandlerContract`."""

    def test_everything_is_made_of_sound_objects(self) -> None:
        if "points" not in self.handler.info.prompts:
            return
        handler = self.make()
        try:
            everything.search(handler, Image(scene()), _ALL, CancelledJob())
        except JobAborted:
            pass
        else:
            raise AssertionError("It was cancelled, and went on to its end.")
        found = everything.search(handler, Image(scene()), _ALL, FreeJob())
        self.assert_found(found, 80, 120)
        if self.segments_scene:
            assert max(_iou(one.full(80, 120), disc()) for one in found.objects) > 0.8

    def test_a_grid_finds_what_single_points_find(self) -> None:
        handler = self.make()
        if not isinstance(handler, GridDecoder):
            return
        embedding = self.embed(handler, scene())
        found = handler.decode_grid(embedding, _POINTS, -1.0, FreeJob())
        assert found.logits.dtype == found.predicted_iou.dtype == np.float32
        assert len(found.logits) == len(found.predicted_iou) == len(found.points)
        assert (np.diff(found.points) >= 0).all()
        for i, point in enumerate(_POINTS):
            own = np.flatnonzero(found.points == i)
            own = own[np.argsort(-found.predicted_iou[own], kind="stable")]
            prompt = Prompt(points=point[None], labels=np.ones(1, np.int8))
            masks = handler.decode(embedding, prompt, DecodeOptions(multimask=True), FreeJob())
            assert len(masks) == len(own)
            if not self.exact_grid:
                continue
            assert np.allclose(masks.predicted_iou, found.predicted_iou[own].clip(0, 1), atol=1e-3)
            for mask, logits in zip(masks.masks, found.logits[own], strict=True):
                full = handler.upscale(embedding, logits)
                assert full.dtype == np.float32
                _assert_same(full > 0, mask)
        threshold = float(np.median(found.predicted_iou))
        good = found.predicted_iou > threshold
        fewer = handler.decode_grid(embedding, _POINTS, threshold, FreeJob())
        assert np.array_equal(fewer.points, found.points[good])
        assert np.allclose(fewer.predicted_iou, found.predicted_iou[good], atol=1e-4)

    def test_images_at_once_are_as_each_alone(self) -> None:
        handler = self.make()
        pictures = [scene(), scene(40, 90)]
        together = handler.embed([Image(picture) for picture in pictures], FreeJob())
        for picture, embedding in zip(pictures, together, strict=True):
            for kind, prompt in examples(*picture.shape[:2]).items():
                if kind in self.handler.info.prompts - {"logits"}:  # which have a shape of the model's own
                    one = handler.decode(embedding, prompt, DecodeOptions(), FreeJob())
                    other = self.run(handler, picture, prompt)
                    assert np.allclose(one.predicted_iou, other.predicted_iou, atol=1e-3)
                    _assert_same(one.masks, other.masks)
                    break

    def assert_found(self, found: Found, height: int, width: int) -> None:
        """Check what everything mode has found."""
        assert (found.height, found.width) == (height, width)
        assert [one.area for one in found.objects] == sorted((one.area for one in found.objects), reverse=True)
        for one in found.objects:
            x, y, w, h = one.bbox
            assert 0 <= x < x + w <= width
            assert 0 <= y < y + h <= height
            assert one.patch.dtype == np.bool_
            assert one.patch.shape == (h, w)
            assert one.patch[[0, -1]].any(1).all()
            assert one.patch[:, [0, -1]].any(0).all()
            assert one.area == one.patch.sum() == one.full(height, width).sum()
            assert np.isfinite([one.predicted_iou, one.stability_score]).all()
            left, top, across, down = one.crop_box
            assert left <= one.point[0] <= left + across
            assert top <= one.point[1] <= top + down


def _iou(mask: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    return float((mask & other).sum() / max(1, (mask | other).sum()))


def _assert_same(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> None:
    """Check that masks are equal but for the pixels that rounding decides about."""
    assert one.shape == other.shape
    assert np.count_nonzero(one != other) <= one.size / 1000
