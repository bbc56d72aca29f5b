"""Ask the exported network about the photos that it was not trained on, as a node asks it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from maskbus.interfaces import Prompt
from maskbus.models.nano_answer import answers
from maskbus.models.nano_mask import mask
from maskbus.models.nano_network import FACTS, IMAGE, PROMPT, NanoNetwork
from maskbus.models.nano_picture import NanoPicture
from training.nano.compare import next_click, overlap
from training.nano.photos import Photo

BoolArray = npt.NDArray[np.bool_]

_CLICKS = 5
_LEAST_AREA = 0.002
"""Objects that are a smaller part of the photo are left out."""
_OBJECTS = 2
"""Of a photo, at most."""


@dataclass
class Asked:
    """One prompt and its answer."""

    photo: Photo
    truth: BoolArray
    """(H, W)."""
    kind: str
    """"click", the first one, "correction" or "box"."""
    place: tuple[int, ...]
    """x, y of the click, or x0, y0, x1, y1."""
    found: BoolArray
    """(H, W)."""
    believed: float
    """The IoU that the network believes the mask to have, 0…1, before calibration."""
    reached: float


def network_in(folder: Path, size: int) -> NanoNetwork:
    """Return the network of the ONNX files in a folder, uncalibrated; OpenCV computes it, which each machine has."""
    with tempfile.TemporaryDirectory() as place:
        for name in (IMAGE, PROMPT):
            shutil.copyfile(folder / name, Path(place) / name)
        (Path(place) / FACTS).write_text(json.dumps({"size": size, "calibration": [[0.0, 1.0], [0.0, 1.0]]}))
        return NanoNetwork(Path(place), runtime="opencv")


def ask(network: NanoNetwork, photos: Sequence[Photo], *, clicks: int = _CLICKS, box: bool = True) -> Iterator[Asked]:
    """Yield the answers to a click in each object's middle, to corrections of it, and to a box.

    Args:
        network: The network.
        photos: Photos with masks.
        clicks: How many, with the first; each is put where the answer before is most wrong.
        box: Whether to ask by a box too.
    """
    for photo in photos:
        picture = NanoPicture(network, photo.pixels)
        truths = [one > 127 for one in photo.masks if np.count_nonzero(one) >= _LEAST_AREA * one.size]
        for truth in truths[:_OBJECTS]:
            yield from _clicked(network, picture, photo, truth, clicks)
            if box:
                x, y, width, height = cv2.boundingRect(truth.astype(np.uint8))
                corners = (x, y, x + width - 1, y + height - 1)
                prompt = Prompt(boxes=np.array([corners], np.float32))
                yield Asked(photo, truth, "box", corners, *_answer(network, picture, prompt, truth))


def _clicked(
    network: NanoNetwork, picture: NanoPicture, photo: Photo, truth: BoolArray, clicks: int
) -> Iterator[Asked]:
    points, labels = [], []
    found, clicked = np.zeros_like(truth), np.zeros_like(truth)
    for number in range(clicks):
        x, y, inside = next_click(found, truth, clicked)
        clicked[y, x] = True
        points.append((x, y))
        labels.append(int(inside))
        prompt = Prompt(
            points=np.array(points, np.float32),
            labels=np.array(labels, np.int8),
            mask=found if number and found.any() else None,
        )
        found, believed, reached = _answer(network, picture, prompt, truth)
        yield Asked(photo, truth, "correction" if number else "click", (x, y), found, believed, reached)


def _answer(
    network: NanoNetwork, picture: NanoPicture, prompt: Prompt, truth: BoolArray
) -> tuple[BoolArray, float, float]:
    answer = answers(network, picture, prompt)[0]
    found, _ = mask(picture, answer, prompt)
    return found, answer.predicted_iou, overlap(found, truth)
