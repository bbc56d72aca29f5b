"""All masks of an answer: what is said of those that are left out goes with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from maskbus.interfaces import FoundObject, Masks
from maskbus.postprocess.windows import processed
from maskbus_wire import geometry
from maskbus_wire.requests import PostProcessing


def answered(masks: Masks, post: PostProcessing, check: Callable[[], None]) -> Masks:
    """Return an answer as `post` wants it. Logits stay as the model has given them.

    Args:
        masks: Is not written to.
        post: Of it, all but what polygons are to be.
        check: Called between masks; may raise what it likes.
    """
    height, width = masks.masks.shape[1:]
    changed = masks.masks.copy()
    areas = np.zeros(len(masks), np.int64)
    for i, mask in enumerate(changed):
        check()
        window = geometry.window(mask)
        (x, y, w, h), inside = processed(window, height, width, post)
        if inside is not window[1]:
            mask[:] = False
            mask[y : y + h, x : x + w] = inside
        areas[i] = np.count_nonzero(inside)
    return only(replace(masks, masks=changed), np.flatnonzero(areas >= post.min_area))


def only(masks: Masks, rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Masks:
    """Return those masks of an answer whose numbers are given, and what is said of them."""
    if len(rows) == len(masks):
        return masks
    return replace(
        masks,
        masks=masks.masks[rows],
        predicted_iou=masks.predicted_iou[rows],
        stability_score=masks.stability_score[rows],
        logits=None if masks.logits is None else masks.logits[rows],
        labels=None if masks.labels is None else tuple(masks.labels[i] for i in rows),
        similarity=None if masks.similarity is None else masks.similarity[rows],
        probability=None if masks.probability is None else masks.probability[rows],
    )


def found(
    objects: Sequence[FoundObject], height: int, width: int, post: PostProcessing, check: Callable[[], None]
) -> list[FoundObject]:
    """Return the objects of an image of `height` × `width` pixels as `post` wants them, the largest first.

    Args:
        objects: Cut to their boxes; so are the new ones.
        height: Of the image.
        width: Of the image.
        post: As for `answered`.
        check: As for `answered`.
    """
    changed = []
    for one in objects:
        check()
        box, patch = processed((one.bbox, one.patch), height, width, post)
        if patch is not one.patch:
            one = replace(one, bbox=box, patch=np.ascontiguousarray(patch), area=int(np.count_nonzero(patch)))
        if one.area >= post.min_area:
            changed.append(one)
    return sorted(changed, key=lambda one: -one.area)
