"""The search for everything with models that find all objects by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from maskbus.everything import search
from maskbus.everything.hits import trimmed
from maskbus.interfaces import (
    DecodeOptions,
    Embedding,
    EverythingSettings,
    FoundObject,
    Job,
    JobAborted,
    Masks,
    ObjectFinder,
    Prompt,
)
from support.discs import Discs, Note, Picture, picture

ONCE = EverythingSettings(retry=False)
DISCS = ((60, 60, 25), (200, 100, 60), (300, 195, 18))


class FinderDiscs(Discs, ObjectFinder):
    """Finds each disc, and each once more; a point is never asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[EverythingSettings] = []

    def decode(self, embedding: Embedding, prompt: Prompt, options: DecodeOptions, job: Job) -> Masks:
        raise AssertionError("a point was decoded")

    def find(self, embedding: Embedding, settings: EverythingSettings, job: Job) -> Sequence[FoundObject]:
        self.asked.append(settings)
        assert isinstance(embedding, Picture)
        pixels = embedding.pixels
        height, width = pixels.shape
        found = []
        for value in [*np.unique(pixels[pixels > 0]).tolist()] * 2:
            x, y, patch = trimmed(pixels == value)
            box = (x, y, patch.shape[1], patch.shape[0])
            row, column = np.argwhere(pixels == value)[0].tolist()
            sure = 0.9 if value != 3 else 0.85
            if sure > settings.pred_iou_thresh:
                point, area = (float(column), float(row)), int(patch.sum())
                found.append(FoundObject(box, patch, area, sure, 0.99, point, (0, 0, width, height)))
        return found


def test_each_object_once_the_largest_first_without_a_grid() -> None:
    image, handler, job = picture(*DISCS), FinderDiscs(), Note()
    found = search(handler, image, ONCE, job)
    assert [np.unique(image.pixels[one.full(240, 320)]).tolist() for one in found.objects] == [[2], [1], [3]]
    assert handler.asked == [ONCE]
    assert job.told == [(1, 1)]
    assert len(job.found) == 6
    assert handler.embedded == [(240, 320)]
    search(handler, image, ONCE, job, Picture(image))
    assert handler.embedded == [(240, 320)]


def test_crops_are_searched_as_well_and_what_they_cut_off_is_left_out() -> None:
    image, handler, job = picture((40, 30, 20), (245, 180, 9), (200, 95, 50)), FinderDiscs(), Note()
    found = search(handler, image, replace(ONCE, crop_n_layers=1), job)
    assert len(handler.embedded) == 5
    assert job.told == [(done, 5) for done in range(1, 6)]
    assert len(found) == 3
    for one in found.objects:
        value = np.unique(image.pixels[one.full(240, 320)])
        assert len(value) == 1
        assert (one.full(240, 320) == (image.pixels[:, :, 0] == value[0])).all()
        assert image.pixels[int(one.point[1]), int(one.point[0]), 0] == value[0]
    assert [one.crop_box == (0, 0, 320, 240) for one in found.objects] == [True, False, False]


def test_what_comes_after_is_as_for_all_models() -> None:
    image = picture(*DISCS)
    assert len(search(FinderDiscs(), image, replace(ONCE, max_masks=2), Note())) == 2
    assert len(search(FinderDiscs(), image, replace(ONCE, min_area=1500), Note())) == 2
    assert len(search(FinderDiscs(), image, replace(ONCE, pred_iou_thresh=0.87), Note())) == 2
    handler = FinderDiscs()
    found = search(handler, image, EverythingSettings(pred_iou_thresh=0.95), Note())
    assert [settings.pred_iou_thresh for settings in handler.asked] == [0.95, 0.6]
    assert len(found) == 3
    assert "once more with predicted IoU 0.6" in found.notes[0]


def test_holes_and_islands_are_seen_to() -> None:
    image = picture(*DISCS)
    image.pixels[100, 200] = 0
    whole = search(FinderDiscs(), image, replace(ONCE, min_mask_region_area=20), Note()).objects[0]
    assert whole.full(240, 320)[100, 200]


def test_it_can_be_cancelled_between_crops() -> None:
    handler = FinderDiscs()
    with pytest.raises(JobAborted):
        search(handler, picture(*DISCS), replace(ONCE, crop_n_layers=1), Note(checks=3))
    assert 1 <= len(handler.asked) < 5
