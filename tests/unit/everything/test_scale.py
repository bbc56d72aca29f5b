"""What is known of a mask before it is scaled up."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from maskbus.everything.grid_hits import thresholded
from maskbus.everything.scale import Scale


class Stretched:
    """Scales as SAM 2 does: the logits show the image and nothing else."""

    def __init__(self, height: int, width: int) -> None:
        self.size = (height, width)

    def upscale(self, embedding: Any, logits: np.ndarray) -> np.ndarray:
        return cv2.resize(logits, self.size[::-1])


class Padded(Stretched):
    """Scales as SAM does: the logits show a square, whose right or lower end is no part of the image."""

    def upscale(self, embedding: Any, logits: np.ndarray) -> np.ndarray:
        by = 1024 / max(self.size)
        height, width = (int(side * by + 0.5) for side in self.size)
        square = cv2.resize(logits, (1024, 1024))[:height, :width]
        return cv2.resize(np.ascontiguousarray(square), self.size[::-1])


def some_logits(rng: np.random.Generator) -> np.ndarray:
    """Return logits of any shape and steepness, (256, 256)."""
    rows, columns = np.mgrid[:256, :256].astype(np.float32)
    noise = rng.standard_normal((256, 256)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), float(rng.choice([1, 2, 4, 8, 16])))
    noise /= noise.std()
    kind = rng.integers(0, 4)
    if kind == 0:
        logits = noise * rng.choice([1.5, 3, 8]) + rng.normal() * 2
    elif kind == 1:
        (a, b), (x, y) = rng.uniform(2, 100, 2), rng.uniform(0, 256, 2)
        away = np.sqrt(((columns - x) / a) ** 2 + ((rows - y) / b) ** 2)
        logits = (1 - away) * min(a, b) * rng.choice([0.3, 1, 3, 10]) + noise * rng.choice([0, 0.3, 1, 2])
    elif kind == 2:
        logits = np.where(noise > rng.normal() * 0.7, rng.uniform(0.1, 15), -rng.uniform(0.1, 15))
    else:
        turn = rng.uniform(0, 3)
        logits = np.sin((columns * np.cos(turn) + rows * np.sin(turn)) / rng.uniform(1, 10)) * rng.uniform(1, 10)
        logits = logits + noise
    return logits.clip(-30, 30).astype(np.float32)


@pytest.mark.parametrize("kind", [Stretched, Padded])
@pytest.mark.parametrize("size", [(480, 640), (300, 260), (405, 720), (1080, 1920), (100, 90)])
def test_no_mask_is_dropped_that_would_have_passed(kind: type[Stretched], size: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(size))
    handler = kind(*size)
    scale = Scale.measured(handler, None, 256, 256)  # type: ignore[arg-type]
    assert scale is not None
    told = 0
    for _ in range(30 if size[0] < 1000 else 4):
        logits = some_logits(rng)
        full = handler.upscale(None, logits)
        _, stability = thresholded(full, 1.0)
        best = scale.best_stability(logits, 1.0)
        assert best >= stability
        told += best < 0.9
        rows, columns = scale.window(logits, 1.0)
        full[rows, columns] = -99
        assert not (full > -1).any()
    # Scaled down, nothing can be said beforehand; else much.
    assert told > 0 or size in ((100, 90), (1080, 1920))


def test_where_each_row_lies_is_measured() -> None:
    scale = Scale.measured(Stretched(40, 80), None, 20, 20)  # type: ignore[arg-type]
    assert scale is not None
    assert scale.row_shares.sum() == 40
    assert scale.column_shares.sum() == 80
    padded = Scale.measured(Padded(30, 60), None, 20, 20)  # type: ignore[arg-type]
    assert padded is not None
    assert padded.shown == (slice(0, 10), slice(0, 20))


@pytest.mark.parametrize("turn", [np.fliplr, lambda a: -a, lambda a: a * 2, lambda a: a**2, lambda a: np.roll(a, 3, 1)])
def test_what_is_no_plain_scaling_is_recognised(turn: Any) -> None:
    class Odd(Stretched):
        def upscale(self, embedding: Any, logits: np.ndarray) -> np.ndarray:
            return np.asarray(turn(super().upscale(embedding, logits)), np.float32)

    assert Scale.measured(Odd(40, 80), None, 20, 20) is None  # type: ignore[arg-type]
