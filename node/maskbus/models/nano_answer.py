"""Answer one prompt with the small network: a look at the whole photo, and a closer one at the object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskbus.interfaces import Prompt
from maskbus.models.nano_map import CERTAIN, PromptMap
from maskbus.models.nano_network import FloatArray, NanoNetwork
from maskbus.models.nano_picture import NanoPicture
from maskbus.models.nano_view import View

_ROOM = 1.5
"""Sides of a closer view, as a multiple of the object's."""
_LEAST = 48
"""Pixels of a closer view's sides, at least."""
_WORTH = 0.55
"""A closer view of a larger part of the photo shows nothing new."""
_STEPS = 12
"""Sides of closer views are rounded to this part of themselves, so that the next click finds the view already known."""
_LARGEST_LOGIT = 20.0


@dataclass(frozen=True)
class Answer:
    """One mask, before it is scaled to the photo."""

    view: View
    """The part of the photo that was looked at last."""
    logits: FloatArray
    """(side, side) over `view`; positive is object."""
    around: FloatArray | None
    """(side, side) logits over the whole photo, for what is outside of `view`; None where there is nothing."""
    predicted_iou: float


def answers(network: NanoNetwork, picture: NanoPicture, prompt: Prompt) -> list[Answer]:
    """Return the three hypotheses for one object: the network's answer first, then what else may be meant.

    Args:
        network: The network.
        picture: The photo, whose closer views are added to.
        prompt: Of one object: points, at most one box, a mask or logits to refine. Logits lie over the whole photo,
            of whatever size.
    """
    earlier = _earlier(prompt)
    if earlier is not None and (earlier > 0.5).any():
        view = _closer(picture.whole, _region(earlier > 0.5, picture.whole, prompt))
        logits, iou = _ask(network, picture, view, prompt, _part(earlier, picture.whole, view, network.map_side))
        return [Answer(view, one, None, float(score)) for one, score in zip(logits, iou, strict=True)]
    whole, iou = _ask(network, picture, picture.whole, prompt, None)
    probability = _sigmoid(whole[0])
    view = _closer(picture.whole, _region(probability > 0.5, picture.whole, prompt))
    if view == picture.whole:
        return [Answer(view, one, None, float(score)) for one, score in zip(whole, iou, strict=True)]
    logits, iou = _ask(network, picture, view, prompt, _part(probability, picture.whole, view, network.map_side))
    return [Answer(view, one, whole[0], float(score)) for one, score in zip(logits, iou, strict=True)]


def ask_point(network: NanoNetwork, picture: NanoPicture, point: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return logits (3, side, side) over the whole photo and predicted IoU (3,) of a click, without a closer look."""
    said = PromptMap(network.map_side)
    x, y = picture.whole.places(point[None], network.map_side)[0]
    said.click(float(x), float(y), on_object=True)
    return network.answer(picture.maps(picture.whole), said.values)


def whole_logits(answer: Answer, whole: View) -> FloatArray:
    """Return an answer's logits over the whole photo, (side, side)."""
    if answer.view == whole:
        return answer.logits
    side = answer.logits.shape[0]
    full = answer.around.copy() if answer.around is not None else np.full((side, side), -_LARGEST_LOGIT, np.float32)
    view = answer.view
    edges = np.array([[view.x, view.y], [view.x + view.width, view.y + view.height]], np.float32) - 0.5
    (x0, y0), (x1, y1) = whole.places(edges, side) + 0.5
    left, top = int(np.floor(x0)), int(np.floor(y0))
    right, bottom = min(int(np.ceil(x1)), side), min(int(np.ceil(y1)), side)
    columns = (np.arange(left, right) + 0.5 - x0) * side / (x1 - x0) - 0.5
    rows = (np.arange(top, bottom) + 0.5 - y0) * side / (y1 - y0) - 0.5
    import cv2

    grid = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    full[top:bottom, left:right] = cv2.remap(
        answer.logits, grid[0], grid[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return full


def _ask(
    network: NanoNetwork, picture: NanoPicture, view: View, prompt: Prompt, earlier: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    side = network.map_side
    said = PromptMap(side)
    for (x, y), label in zip(view.places(prompt.points, side), prompt.labels, strict=True):
        said.click(float(x), float(y), on_object=bool(label == 1))
    if len(prompt.boxes):
        # A box names the middles of pixels; its outer edges lie half a pixel further out.
        corners = prompt.boxes[0].reshape(2, 2) + np.array([[-0.5, -0.5], [0.5, 0.5]], np.float32)
        (x0, y0), (x1, y1) = view.places(corners, side)
        said.box(float(x0), float(y0), float(x1), float(y1))
    said.earlier(earlier)
    return network.answer(picture.maps(view), said.values)


def _earlier(prompt: Prompt) -> FloatArray | None:
    """Return the probability, over the whole photo, that a prompt's logits or mask give each place."""
    if prompt.logits is not None:
        return _sigmoid(prompt.logits)
    if prompt.mask is not None:
        # As large as the mask itself: a closer view needs all of it.
        return np.asarray((1 - CERTAIN) + (2 * CERTAIN - 1) * prompt.mask.astype(np.float32), np.float32)
    return None


def _part(probability: FloatArray, whole: View, view: View, side: int) -> FloatArray:
    """Return (side, side) over a view of a probability over the whole photo, of whatever size."""
    height, width = probability.shape
    import cv2

    if (height, width) == (whole.height, whole.width):
        return view.shrunk(probability, side)
    columns = ((np.arange(side) + 0.5) * view.width / side + view.x) * width / whole.width - 0.5
    rows = ((np.arange(side) + 0.5) * view.height / side + view.y) * height / whole.height - 0.5
    grid = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    part = cv2.remap(probability, grid[0], grid[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(part, np.float32)


def _region(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], whole: View, prompt: Prompt) -> FloatArray:
    """Return x0, y0, x1, y1, edges in pixels of the photo, of all that is or should be the object."""
    corners = [prompt.points[prompt.labels == 1].reshape(-1, 2)]
    if len(prompt.boxes):
        corners.append(prompt.boxes.reshape(-1, 2))
    elif mask.any():
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        scale = np.array([whole.width / mask.shape[1], whole.height / mask.shape[0]], np.float32)
        edges = np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]], np.float32) * scale
        corners.append(edges - 0.5)
    every = np.concatenate(corners)
    if not len(every):
        return np.array([0, 0, whole.width, whole.height], np.float32)
    return np.asarray(np.concatenate([every.min(0), every.max(0) + 1]), np.float32)


def _closer(whole: View, region: FloatArray) -> View:
    """Return a view with room around a region, or the whole photo where that shows hardly more."""
    sides = []
    for low, high, most in ((region[0], region[2], whole.width), (region[1], region[3], whole.height)):
        extent = max(float(high - low) * _ROOM, _LEAST, 0.1 * most)
        step = max(2 ** round(np.log2(extent / _STEPS)), 1)
        begin = max(int(np.floor(((low + high) / 2 - extent / 2) / step) * step), 0)
        end = min(int(np.ceil(((low + high) / 2 + extent / 2) / step) * step), most)
        sides.append((min(begin, most - 1), max(end - begin, 1)))
    (x, width), (y, height) = sides
    view = View(x, y, min(width, whole.width - x), min(height, whole.height - y))
    return whole if view.width * view.height > _WORTH * whole.width * whole.height else view


def _sigmoid(logits: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT))), np.float32)
