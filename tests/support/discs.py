"""A model that knows the discs in a picture: what everything mode finds can be said beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import cv2
import numpy as np

from maskbus.interfaces import (
    Candidates,
    DecodeOptions,
    Embedding,
    FoundObject,
    GridDecoder,
    Handler,
    Image,
    Job,
    JobAborted,
    LoadContext,
    Masks,
    ModelInfo,
    Prompt,
)

SIDE = 128
"""Of the logits."""


class Note(Job):
    """A job that remembers what it was told, and is cancelled after so many checks."""

    def __init__(self, checks: int | None = None) -> None:
        self.checks = checks
        self.told: list[tuple[int, int]] = []
        self.found: list[FoundObject] = []

    def check(self) -> None:
        if self.checks is not None:
            self.checks -= 1
            if self.checks < 0:
                raise JobAborted("The request was cancelled.")

    def remaining(self) -> float:
        return 60.0

    def progress(self, done: int, total: int, found: Sequence[FoundObject] = ()) -> None:
        self.told.append((done, total))
        self.found += found


class Picture(Embedding):
    """The embedding is the picture: a grey value for each disc, 0 elsewhere."""

    def __init__(self, image: Image) -> None:
        self.pixels = np.array(image.rgb[:, :, 0])

    @property
    def nbytes(self) -> int:
        return self.pixels.nbytes


class Discs(Handler):
    """Answer the disc at a point, cleanly; and where there is none, nothing that it trusts."""

    info: ClassVar[ModelInfo] = ModelInfo("discs", frozenset({"points"}), "Apache-2.0")
    estimate = 0.95

    def __init__(self) -> None:
        super().__init__(LoadContext("discs"))
        self.embedded: list[tuple[int, int]] = []
        self.decoded: list[int] = []
        """Points of each call."""

    def embed(self, images: Sequence[Image], job: Job) -> Sequence[Embedding]:
        self.embedded += [(image.height, image.width) for image in images]
        return [Picture(image) for image in images]

    def decode(self, embedding: Embedding, prompt: Prompt, options: DecodeOptions, job: Job) -> Masks:
        assert prompt.labels.tolist() == [1]
        self.decoded.append(1)
        mask, estimate = self.at(embedding, prompt.points[0])
        return Masks(mask[None], np.array([estimate], np.float32), np.array([0.99], np.float32))

    def at(self, embedding: Embedding, point: np.ndarray) -> tuple[np.ndarray, float]:
        assert isinstance(embedding, Picture)
        height, width = embedding.pixels.shape
        value = embedding.pixels[min(int(point[1]), height - 1), min(int(point[0]), width - 1)]
        return embedding.pixels == value, self.estimate if value else 0.1


class GridDiscs(Discs, GridDecoder):
    """The same, many points at once and as logits."""

    points_per_batch = 8

    def __init__(self) -> None:
        super().__init__()
        self.upscaled = 0

    def decode_grid(self, embedding: Embedding, points: np.ndarray, pred_iou_thresh: float, job: Job) -> Candidates:
        self.decoded.append(len(points))
        found = [self.at(embedding, point) for point in points]
        keep = [i for i, (_, estimate) in enumerate(found) if estimate > pred_iou_thresh]
        logits = [cv2.resize(np.float32(found[i][0]) * 20 - 10, (SIDE, SIDE)) for i in keep]
        return Candidates(
            np.array(logits, np.float32).reshape(-1, SIDE, SIDE),
            np.array([found[i][1] for i in keep], np.float32),
            np.array(keep, np.intp),
        )

    def upscale(self, embedding: Embedding, logits: np.ndarray) -> np.ndarray:
        assert isinstance(embedding, Picture)
        self.upscaled += 1
        height, width = embedding.pixels.shape
        return cv2.resize(logits, (width, height))


def picture(*discs: tuple[int, int, int], height: int = 240, width: int = 320) -> Image:
    """Return a picture with discs, x, y and radius each."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for value, (x, y, radius) in enumerate(discs, 1):
        cv2.circle(pixels, (x, y), radius, (value, value, value), -1)
    return Image(pixels)
