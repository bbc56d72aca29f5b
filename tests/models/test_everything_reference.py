"""The search for everything beside the authors' own generators, on the same networks."""

from __future__ import annotations

import warnings
from typing import Any

import cv2
import numpy as np
import pytest

from maskbus.everything import nms, search
from maskbus.interfaces import EverythingSettings, Image
from support.discs import Note

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'maskbus[reference]'")
torchvision = pytest.importorskip(
    "torchvision", reason="torchvision is not installed: pip install 'maskbus[reference]'"
)

# Nearly all masks of untrained networks that a mesh of points finds pass these, and some do not.
LOOSE: dict[str, Any] = {"points_per_side": 8, "pred_iou_thresh": 0.6, "stability_score_thresh": 0.7}


def build(name: str, **settings: Any) -> tuple[Any, Any]:
    pytest.importorskip(name, reason=f"the package {name} is not installed: pip install 'maskbus[reference]'")
    from support import everything_reference

    makers = {"segment_anything": everything_reference.sam1_generator, "sam2": everything_reference.sam2_generator}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the references import
        return makers[name](0, points_per_batch=16, **settings)


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def some_image(height: int, width: int) -> np.ndarray:
    seeds = np.random.default_rng(height).integers(0, 255, (9, 13, 3), dtype=np.uint8)
    return cv2.resize(seeds, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize(
    ("package", "size", "settings"),
    [
        ("segment_anything", (133, 201), {"min_mask_region_area": 40}),
        ("segment_anything", (301, 119), {"crop_n_layers": 1, "crop_n_points_downscale_factor": 2}),
        ("segment_anything", (97, 131), {"crop_n_layers": 1, "min_mask_region_area": 30, "points_per_side": 5}),
        ("sam2", (201, 133), {"points_per_side": 6, "stability_score_thresh": 0.75}),
        ("sam2", (119, 167), {"crop_n_layers": 1, "points_per_side": 4}),
    ],
)
def test_the_masks_are_those_of_the_reference(package: str, size: tuple[int, int], settings: dict[str, Any]) -> None:
    chosen = {**LOOSE, **settings}
    generator, handler = build(package, **chosen)
    image = some_image(*size)
    expected = generator.generate(image)
    found = search(handler, Image(image), EverythingSettings(points_per_batch=7, retry=False, **chosen), Note())
    assert len(expected) > 12
    assert found.notes == []
    assert [one.area for one in found.objects] == sorted((one.area for one in found.objects), reverse=True)

    theirs = np.array([one["segmentation"].ravel() for one in expected], np.float32)
    ours = np.array([one.full(*size).ravel() for one in found.objects], np.float32)
    both = theirs @ ours.T
    iou = both / (theirs.sum(1)[:, None] + ours.sum(1)[None] - both)
    assert (iou.max(1) >= 0.99).mean() >= 0.99
    assert (iou.max(0) >= 0.99).mean() >= 0.99
    for record, other in zip(expected, iou.argmax(1), strict=True):
        one = found.objects[other]
        assert one.predicted_iou == pytest.approx(record["predicted_iou"], abs=1e-3)
        assert one.stability_score == pytest.approx(record["stability_score"], abs=1e-3)
        assert one.point == pytest.approx(record["point_coords"][0], abs=1e-3)
        assert list(one.crop_box) == record["crop_box"]
        assert one.area == record["area"]
        # The reference's boxes end at the last pixel, COCO's behind it.
        x, y, width, height = record["bbox"]
        assert one.bbox == (x, y, width + 1, height + 1)


@pytest.mark.parametrize("size", [(64, 64), (480, 641), (37, 1080), (20, 9)])
def test_opencv_scales_as_torch_does(size: tuple[int, int]) -> None:
    logits = np.random.default_rng(1).standard_normal((64, 64)).astype(np.float32) * 10
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(logits)[None, None], size, mode="bilinear", align_corners=False
    )
    assert np.abs(cv2.resize(logits, size[::-1]) - expected[0, 0].numpy()).max() < 1e-3


@pytest.mark.parametrize("seed", range(20))
def test_of_overlapping_boxes_those_stay_that_torchvision_keeps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 60, (200, 2))
    boxes = np.concatenate([corners, rng.integers(2, 40, (200, 2))], axis=1)
    # Few different scores, so that many are equal.
    scores = (rng.integers(0, 8, 200) / 8).astype(np.float32)
    ends = boxes[:, :2] + boxes[:, 2:] - 1
    expected = torchvision.ops.batched_nms(
        torch.from_numpy(np.concatenate([boxes[:, :2], ends], axis=1)).float(),
        torch.from_numpy(scores),
        torch.zeros(200),
        iou_threshold=0.4,
    )
    assert nms.keep(boxes, scores.astype(np.float64), 0.4) == expected.tolist(), f"seed {seed}"
