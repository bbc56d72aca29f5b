"""Answer one prompt with the small network: a look at the whole photo, a closer one at the object, and its colours."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from maskbus.interfaces import Prompt
from maskbus.models.nano_colours import with_colours
from maskbus.models.nano_map import CERTAIN, PromptMap
from maskbus.models.nano_network import FloatArray, NanoNetwork
from maskbus.models.nano_picture import NanoPicture
from maskbus.models.nano_region import closer, region
from maskbus.models.nano_view import View

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
        view = closer(picture.whole, region(earlier > 0.5, picture.whole, prompt))
        logits, iou = _ask(network, picture, view, prompt, view.part(earlier, picture.whole, network.map_side))
        return [Answer(view, one, None, float(score)) for one, score in zip(logits, iou, strict=True)]
    logits, iou = _ask(network, picture, picture.whole, prompt, None)
    probability = _sigmoid(logits[0])
    view, around = closer(picture.whole, region(probability > 0.5, picture.whole, prompt)), None
    if view != picture.whole:
        around = logits[0]
        part = view.part(probability, picture.whole, network.map_side)
        logits, iou = _ask(network, picture, view, prompt, part)
    found = with_colours(view.square(picture.rgb, network.map_side), _sigmoid(logits[0]))
    refined, believed = _ask(network, picture, view, prompt, found)
    logits = np.concatenate([refined[:1], logits[1:]])
    iou = np.concatenate([believed[:1], iou[1:]])
    return [Answer(view, one, around, float(score)) for one, score in zip(logits, iou, strict=True)]


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


def _sigmoid(logits: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT))), np.float32)
