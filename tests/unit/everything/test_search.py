"""The search for everything, with models that know what is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from maskbus.everything import search
from maskbus.interfaces import (
    Candidates,
    EverythingSettings,
    Image,
    Job,
    JobAborted,
    LoadContext,
    ModelInfo,
    UnsupportedPrompt,
)
from support.discs import Discs, GridDiscs, Note, Picture, picture

FEW = EverythingSettings(points_per_side=8)
DISCS = ((60, 60, 25), (200, 100, 60), (300, 195, 18))
Model = Callable[[], Discs]


def truth(image: Image, value: int) -> np.ndarray:
    return np.asarray(image.pixels[:, :, 0] == value)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("model", [Discs, GridDiscs])
def test_each_object_is_found_once_the_largest_first(model: Model) -> None:
    image, handler, job = picture(*DISCS), model(), Note()
    found = search(handler, image, FEW, job)
    assert (found.height, found.width, found.notes) == (240, 320, [])
    assert len(found) == 3
    for one, value in zip(found.objects, (2, 1, 3), strict=True):
        mask = one.full(240, 320)
        assert iou(mask, truth(image, value)) > 0.95
        assert one.area == mask.sum()
        assert one.patch.shape == (one.bbox[3], one.bbox[2])
        assert one.crop_box == (0, 0, 320, 240)
        assert truth(image, value)[int(one.point[1]), int(one.point[0])]
        assert one.predicted_iou == pytest.approx(0.95)
        assert one.stability_score > 0.9
    assert handler.embedded == [(240, 320)]
    assert sum(handler.decoded) == 64


def test_points_go_out_in_chunks_and_what_they_find_is_told() -> None:
    handler, job = GridDiscs(), Note()
    found = search(handler, picture(*DISCS), replace(FEW, points_per_batch=10), job)
    assert handler.decoded == [10] * 6 + [4]
    assert job.told == [(done, 64) for done in (10, 20, 30, 40, 50, 60, 64)]
    # Candidates: each disc as often as points lie on it.
    assert len(job.found) > len(found)
    assert {one.bbox for one in found.objects} <= {one.bbox for one in job.found}


def test_an_embedding_that_is_there_is_used() -> None:
    image, handler = picture(*DISCS), GridDiscs()
    assert len(search(handler, image, FEW, Note(), Picture(image))) == 3
    assert handler.embedded == []


def test_no_mask_is_scaled_up_twice() -> None:
    handler, job = GridDiscs(), Note()
    search(handler, picture(*DISCS), FEW, job)
    assert handler.upscaled == len(job.found) + 2  # and two ramps


def test_crops_find_what_the_grid_of_the_whole_misses() -> None:
    image, handler, job = (
        picture((40, 30, 20), (245, 180, 9), (200, 95, 50)),
        GridDiscs(),
        Note(),
    )
    settings = replace(FEW, points_per_side=4)
    assert len(search(handler, image, settings, job)) == 2
    handler = GridDiscs()
    found = search(handler, image, replace(settings, crop_n_layers=1), job)
    assert len(found) == 3
    assert handler.embedded == [(240, 320), (161, 201), (160, 201), (161, 200), (160, 200)]
    small = found.objects[2]
    assert small.crop_box != (0, 0, 320, 240)
    assert iou(small.full(240, 320), truth(image, 2)) > 0.85
    # Where the whole image and a crop both show it, the crop's stays; what a crop cuts off does not.
    by_size = [one.crop_box == (0, 0, 320, 240) for one in found.objects]
    assert by_size == [True, False, False]


def test_thresholds_are_obeyed() -> None:
    class Doubtful(GridDiscs):
        estimate = 0.7

    image = picture(*DISCS)
    once = replace(FEW, retry=False)
    assert len(search(Doubtful(), image, once, Note())) == 0
    assert len(search(Doubtful(), image, replace(once, pred_iou_thresh=0.69), Note())) == 3
    sharp = search(GridDiscs(), image, replace(once, stability_score_thresh=0.0), Note()).objects
    limit = sorted(one.stability_score for one in sharp)[0]
    assert len(search(GridDiscs(), image, replace(once, stability_score_thresh=limit), Note())) == 3
    assert len(search(GridDiscs(), image, replace(once, stability_score_thresh=limit + 1e-6), Note())) == 2


@pytest.mark.parametrize("model", [Discs, GridDiscs])
def test_min_area_and_max_masks_are_the_end(model: Model) -> None:
    image = picture(*DISCS)
    areas = [one.area for one in search(model(), image, FEW, Note()).objects]
    assert areas == sorted(areas, reverse=True)
    for least in (areas[1], areas[1] + 1):
        found = search(model(), image, replace(FEW, min_area=least), Note())
        assert [one.area for one in found.objects] == [area for area in areas if area >= least]
    assert [one.area for one in search(model(), image, replace(FEW, max_masks=2), Note()).objects] == areas[:2]


def test_small_regions_are_cleared() -> None:
    image = picture(*DISCS)
    image.pixels[100:103, 200:203] = 0  # a hole
    image.pixels[5:8, 5:8] = 2  # an island
    before = search(Discs(), image, FEW, Note()).objects[0]
    after = search(Discs(), image, replace(FEW, min_mask_region_area=10), Note()).objects[0]
    assert before.bbox[:2] == (5, 5)
    assert after.bbox[:2] == (140, 40)
    assert not before.full(240, 320)[101, 201]
    assert after.full(240, 320)[101, 201]
    assert after.area == before.area


def test_where_nothing_is_found_it_is_tried_once_more() -> None:
    class Doubtful(GridDiscs):
        estimate = 0.7

    image, handler, job = picture(*DISCS), Doubtful(), Note()
    found = search(handler, image, FEW, job)
    assert len(found) == 3
    assert found.notes == [
        "Nothing was found, so the search was made once more with predicted IoU 0.6 and stability 0.8."
    ]
    assert handler.embedded == [(240, 320)]
    assert sum(handler.decoded) == 128
    assert [done for done, _ in job.told] == sorted({done for done, _ in job.told})
    assert job.told[-1] == (128, 128)
    assert search(Doubtful(), image, replace(FEW, retry=False), Note()).notes == []


def test_nothing_at_all_is_said_as_well() -> None:
    found = search(GridDiscs(), picture(), FEW, Note())
    assert len(found) == 0
    assert found.notes[0].endswith("with predicted IoU 0.6 and stability 0.8, and found nothing either.")
    # Thresholds that are low already are not tried again.
    low = replace(FEW, pred_iou_thresh=0.5, stability_score_thresh=0.8)
    assert search(GridDiscs(), picture(), low, Note()).notes == []


class OutOfMemoryError(RuntimeError):
    """As torch calls it."""


SHORTAGES = [
    MemoryError(),
    OutOfMemoryError("CUDA"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to allocate"
    ),
    RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    Exception("OpenCV(4.10.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 8 bytes in function"),
    Exception("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer of size 8"),
]


class Cramped(GridDiscs):
    """Has memory for so many points at once, and so many in all."""

    def __init__(self, room: int, error: Exception, in_all: int = 10**9) -> None:
        super().__init__()
        self.room = room
        self.error = error
        self.in_all = in_all

    def decode_grid(self, embedding: Any, points: np.ndarray, pred_iou_thresh: float, job: Job) -> Candidates:
        if len(points) > self.room or sum(self.decoded) % 1000 + len(points) > self.in_all:
            self.decoded.clear()
            raise self.error
        return super().decode_grid(embedding, points, pred_iou_thresh, job)


@pytest.mark.parametrize("error", SHORTAGES, ids=lambda error: f"{type(error).__name__}: {error}"[:40])
def test_where_memory_is_short_chunks_get_smaller(error: Exception) -> None:
    job = Note()
    found = search(Cramped(3, error), picture(*DISCS), replace(FEW, points_per_batch=16), job)
    assert len(found) == 3
    assert found.notes == ["Memory was short: points were decoded 2 at a time instead of 16."]
    assert job.told[-1] == (64, 64)


def test_then_points_get_fewer() -> None:
    handler = Cramped(1, MemoryError(), in_all=20)
    found = search(handler, picture(*DISCS), FEW, Note())
    assert len(found) == 1
    assert found.notes == [
        "Memory was short: points were decoded 1 at a time instead of 8.",
        "Memory was short: the grid had 4 points a side instead of 8.",
    ]


def test_and_then_the_shortage_is_told() -> None:
    with pytest.raises(OutOfMemoryError, match="CUDA"):
        search(Cramped(0, OutOfMemoryError("CUDA")), picture(*DISCS), FEW, Note())


@pytest.mark.parametrize("error", [RuntimeError("a bug"), ValueError("cannot allocate a name"), JobAborted("no")])
def test_other_errors_are_let_through(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        search(Cramped(0, error), picture(*DISCS), FEW, Note())


@pytest.mark.parametrize("model", [Discs, GridDiscs])
def test_it_can_be_cancelled_between_chunks(model: Model) -> None:
    handler = model()
    with pytest.raises(JobAborted):
        search(handler, picture(*DISCS), replace(FEW, points_per_batch=1), Note(checks=5))
    assert len(handler.decoded) == 5


def test_a_model_without_points_says_so() -> None:
    class Words(Discs):
        info = ModelInfo("words", frozenset({"text"}), "Apache-2.0")

        def __init__(self) -> None:
            super().__init__()
            self.context = LoadContext("words")

    with pytest.raises(UnsupportedPrompt, match="words takes no points"):
        search(Words(), picture(*DISCS), FEW, Note())


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 5)])
@pytest.mark.parametrize("model", [Discs, GridDiscs])
def test_the_smallest_images_are_searched_too(model: Model, size: tuple[int, int]) -> None:
    image = Image(np.full((*size, 3), 1, np.uint8))
    settings = EverythingSettings(points_per_side=3, crop_n_layers=2, min_mask_region_area=50)
    found = search(model(), image, settings, Note())
    assert [one.area for one in found.objects] == [size[0] * size[1]]


def test_a_mono_picture_is_cropped_as_it_is() -> None:
    image = Image(picture(*DISCS).pixels[:, :, 0], "mono")
    assert len(search(GridDiscs(), image, replace(FEW, crop_n_layers=1), Note())) == 3
