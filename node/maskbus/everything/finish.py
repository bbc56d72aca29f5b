"""What is done to masks once duplicates are gone: clean, choose, sort."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskbus.everything import nms
from maskbus.everything.hits import BoolArray, Kept
from maskbus.everything.regions import cleaned
from maskbus.interfaces import EverythingSettings, FoundObject, Job


def finished(
    kept: Sequence[Kept], height: int, width: int, settings: EverythingSettings, job: Job
) -> list[FoundObject]:
    """Return the objects to answer, the largest first: without small regions, not below `min_area`, `max_masks`."""
    if settings.min_mask_region_area > 0:
        objects = _cleaned(kept, height, width, settings, job)
    else:
        objects = [_object(one, one.patch(), one.bbox) for one in kept]
    objects = [one for one in objects if one.area >= settings.min_area]
    objects.sort(key=lambda one: -one.area)
    return objects[: settings.max_masks or None]


def _cleaned(
    kept: Sequence[Kept], height: int, width: int, settings: EverythingSettings, job: Job
) -> list[FoundObject]:
    """Remove small regions, and then duplicates anew: masks that had none stay rather than those that had."""
    objects: list[FoundObject] = []
    untouched: list[bool] = []
    for one in kept:
        job.check()
        patch, bbox, changed = cleaned(one.patch(), one.bbox, height, width, settings.min_mask_region_area)
        objects.append(_object(one, patch, bbox))
        untouched.append(not changed)
    boxes = np.array([one.bbox for one in objects], np.int64).reshape(-1, 4)
    threshold = max(settings.box_nms_thresh, settings.crop_nms_thresh)
    return [objects[i] for i in nms.keep(boxes, np.array(untouched, np.float64), threshold)]


def _object(one: Kept, patch: BoolArray, bbox: tuple[int, int, int, int]) -> FoundObject:
    return FoundObject(
        bbox=bbox,
        patch=patch,
        area=int(np.count_nonzero(patch)),
        predicted_iou=one.predicted_iou,
        stability_score=one.stability_score,
        point=one.at,
        crop_box=one.crop_box,
    )
