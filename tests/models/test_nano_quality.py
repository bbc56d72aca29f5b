"""How good the shipped network is on pictures that were generated, asked as a node asks it."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskbus.contract import FreeJob
from maskbus.interfaces import DecodeOptions, Handler, Image, LoadContext, Masks, Prompt

FOLDER = Path(__file__).parents[1] / "data" / "nano"
FLOORS = {"click": 0.72, "box": 0.91, "five clicks": 0.93}
"""Mean IoU that the weights that ship must reach; a little below what they do reach."""


@pytest.fixture(scope="module")
def handler() -> Handler:
    entry = next(entry for entry in entry_points(group="maskbus.handlers") if entry.name == "nano")
    return entry.load()(LoadContext(model="nano", threads=1, options={"runtime": "opencv"}))


@pytest.fixture(scope="module")
def reached(handler: Handler) -> dict[str, list[float]]:
    """IoU of each answer on each picture, and by "off" how far the predicted IoU was above it."""
    ious: dict[str, list[float]] = {"click": [], "box": [], "five clicks": [], "off": []}
    for one in json.loads((FOLDER / "prompts.json").read_text()):
        bgr = cv2.imread(str(FOLDER / f"{one['name']}.jpg"))
        truth = cv2.imread(str(FOLDER / f"{one['name']}.png"), cv2.IMREAD_GRAYSCALE) > 127
        embedding = handler.embed([Image(bgr, "bgr")], FreeJob())[0]

        def ask(prompt: Prompt, embedding: object = embedding) -> Masks:
            return handler.decode(embedding, prompt, DecodeOptions(), FreeJob())

        boxed = ask(Prompt(boxes=np.array([one["box"]], np.float32)))
        ious["box"].append(overlap(boxed.masks[0], truth))
        first, last = clicked(ask, truth, one["click"])
        ious["click"].append(overlap(first.masks[0], truth))
        ious["five clicks"].append(overlap(last.masks[0], truth))
        for kind, masks in (("box", boxed), ("click", first), ("five clicks", last)):
            ious["off"].append(float(masks.predicted_iou[0]) - ious[kind][-1])
    return ious


def clicked(ask: Callable[[Prompt], Masks], truth: np.ndarray, place: list[int]) -> tuple[Masks, Masks]:
    """Return the answer to a click, and after four corrections where the error is deepest."""
    points, labels = [place], [1]
    first = masks = ask(Prompt(points=np.array(points, np.float32), labels=np.array(labels, np.int8)))
    for _ in range(4):
        found = masks.masks[0]
        depths = [
            cv2.distanceTransform(np.pad(error.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
            for error in (found & ~truth, truth & ~found)
        ]
        label = int(depths[1].max() >= depths[0].max())
        y, x = np.unravel_index(int(depths[label].argmax()), truth.shape)
        points.append([int(x), int(y)])
        labels.append(label)
        masks = ask(Prompt(points=np.array(points, np.float32), labels=np.array(labels, np.int8), mask=found))
        for (x, y), said in zip(points, labels, strict=True):
            assert masks.masks[0][y, x] == (said == 1)
    return first, masks


def overlap(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found & truth).sum() / max((found | truth).sum(), 1))


@pytest.mark.parametrize("kind", FLOORS)
def test_mean_iou(kind: str, reached: dict[str, list[float]]) -> None:
    assert np.mean(reached[kind]) > FLOORS[kind], [round(one, 2) for one in reached[kind]]


def test_predicted_iou_is_about_right(reached: dict[str, list[float]]) -> None:
    assert abs(np.mean(reached["off"])) < 0.25
