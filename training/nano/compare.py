"""How good the network is on photos that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch

from training.nano.network import Nano
from training.nano.photos import Photo
from training.nano.prompts import Said

BoolArray = npt.NDArray[np.bool_]


@dataclass
class Compared:
    """Mean IoU at the photo's own resolution, and what the network believed of its answers."""

    click: float
    clicks5: float
    box: float
    believed: list[float]
    reached: list[float]


def compare(network: Nano, photos: list[Photo], size: int, *, most: int, least_area: float = 0.01) -> Compared:
    """Ask for objects by a click in their middle, by four corrections more, and by a box.

    Args:
        network: In evaluation mode.
        photos: Photos with masks.
        size: S, pixels a side that the network sees.
        most: How many objects.
        least_area: Smaller objects, as a part of the photo, are left out.
    """
    wanted = [
        (photo, mask > 127)
        for photo in photos
        for mask in photo.masks[:2]
        if np.count_nonzero(mask) >= least_area * mask.size
    ][:most]
    one, five, boxed, believed, reached = [], [], [], [], []
    for photo, truth in wanted:
        with torch.inference_mode():
            features = network.image(_tensor(cv2.resize(photo.pixels, (size, size), interpolation=cv2.INTER_AREA)))

            def ask(
                said: Said, shape: tuple[int, ...] = truth.shape, features: tuple[torch.Tensor, ...] = features
            ) -> tuple[npt.NDArray[np.float32], float]:
                logits, iou = network.prompt(*features, torch.from_numpy(said.values)[None])
                said.earlier(torch.sigmoid(logits[0, 0]).numpy())
                large = cv2.resize(logits[0, 0].numpy(), shape[::-1], interpolation=cv2.INTER_LINEAR)
                return np.asarray(large, np.float32), float(torch.sigmoid(iou[0, 0]))

            sx, sy = size / 2 / truth.shape[1], size / 2 / truth.shape[0]
            said = Said(size // 2)
            answer = np.zeros(truth.shape, np.bool_)
            clicked = np.zeros(truth.shape, np.bool_)
            for n in range(5):
                x, y, inside = next_click(answer, truth, clicked)
                clicked[y, x] = True
                said.click((x + 0.5) * sx - 0.5, (y + 0.5) * sy - 0.5, on_object=inside)
                logits, iou = ask(said)
                answer = logits > 0
                believed.append(iou)
                reached.append(overlap(answer, truth))
                if n == 0:
                    one.append(reached[-1])
            five.append(reached[-1])
            x, y, w, h = cv2.boundingRect(truth.astype(np.uint8))
            said = Said(size // 2)
            said.box(x * sx - 0.5, y * sy - 0.5, (x + w) * sx - 0.5, (y + h) * sy - 0.5)
            logits, iou = ask(said)
            boxed.append(overlap(logits > 0, truth))
            believed.append(iou)
            reached.append(boxed[-1])
    return Compared(float(np.mean(one)), float(np.mean(five)), float(np.mean(boxed)), believed, reached)


def next_click(answer: BoolArray, truth: BoolArray, clicked: BoolArray) -> tuple[int, int, bool]:
    """Return x, y and whether it is on the object: the deepest place of the error that is deeper."""
    depth = []
    for error in (truth & ~answer, answer & ~truth):
        left = np.pad((error & ~clicked).astype(np.uint8), 1)
        depth.append(np.asarray(cv2.distanceTransform(left, cv2.DIST_L2, 5))[1:-1, 1:-1])
    which = int(depth[1].max() > depth[0].max())
    y, x = np.unravel_index(int(depth[which].argmax()), truth.shape)
    return int(x), int(y), which == 0


def overlap(answer: BoolArray, truth: BoolArray) -> float:
    """Return the IoU of two masks."""
    return float(np.count_nonzero(answer & truth) / max(int(np.count_nonzero(answer | truth)), 1))


def _tensor(pixels: npt.NDArray[np.generic]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32) / 255)
