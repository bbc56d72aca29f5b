"""Crops of many masks at once are those that a plain loop makes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from maskbus.models.clip_crops import BACKGROUNDS, CropCutter, Look
from maskbus.models.clip_recipe import MEAN

SIDE = 96


@pytest.fixture(scope="module")
def loop() -> Any:
    path = Path(__file__).parents[2] / "bench" / "crop_loop.py"
    spec = importlib.util.spec_from_file_location("crop_loop", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def picture(height: int, width: int, random: np.random.Generator) -> np.ndarray:
    """Return something with detail of every size, as a photo has."""
    total = np.zeros((height, width, 3))
    for cells, weight in ((3, 50), (9, 35), (30, 25), (100, 15)):
        coarse = random.normal(0, weight, (cells, cells, 3))
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return (128 + total).clip(0, 255).astype(np.uint8)


def ellipse(height: int, width: int, centre: tuple[int, int], axes: tuple[int, int]) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask, centre, axes, 20, 0, 360, 1, -1)
    return mask.astype(bool)


def split(masks: list[np.ndarray]) -> tuple[list[Any], list[np.ndarray]]:
    boxes = [cv2.boundingRect(mask.view(np.uint8)) for mask in masks]
    return boxes, [mask[y : y + h, x : x + w] for mask, (x, y, w, h) in zip(masks, boxes, strict=True)]


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_as_the_plain_loop(loop: Any, background: str, margin: float) -> None:
    seed = int(np.random.default_rng().integers(1 << 30))
    print("seed", seed)
    random = np.random.default_rng(seed)
    height, width = 431, 640
    rgb = picture(height, width, random)
    masks = [
        ellipse(height, width, (300, 200), (150, 90)),  # larger than the crop
        ellipse(height, width, (320, 215), (310, 205)),  # nearly the picture
        ellipse(height, width, (40, 30), (60, 25)),  # over the picture's edge
        ellipse(height, width, (600, 420), (90, 60)),
        ellipse(height, width, (500, 100), (6, 40)),  # narrow
        ellipse(height, width, (200, 350), (20, 14)),  # smaller than the crop
    ]
    boxes, patches = split(masks)
    crops = CropCutter(rgb, SIDE, MEAN).cut(boxes, patches, Look(background, margin)).numpy()
    assert crops.dtype == np.float32
    assert crops.shape == (len(masks), 3, SIDE, SIDE)
    assert crops.min() >= 0
    assert crops.max() <= 1
    for i, (mask, ours) in enumerate(zip(masks, crops, strict=True)):
        theirs = loop.crop(rgb, mask, SIDE, background, margin, MEAN)
        error = float(np.abs(ours - theirs).mean())
        # It must show what one pixel to the side would be.
        moved = float(np.abs(np.roll(theirs, 1, 2) - theirs).mean())
        print(background, margin, i, round(error, 4), round(moved, 4))
        assert error < 0.02
        # A background that is blurred is so by other means than a Gaussian.
        assert error < max(0.7 * moved, 0.015 if background == "blur" else 0.006)


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_a_checkerboard_becomes_grey(background: str) -> None:
    rows, columns = np.mgrid[:800, :800]
    rgb = np.repeat((255 * ((rows + columns) % 2))[:, :, None], 3, 2).astype(np.uint8)
    mask = np.ones((800, 800), bool)
    crops = CropCutter(rgb, SIDE, MEAN).cut([(0, 0, 800, 800)], [mask], Look(background, 0.0))
    assert float((crops - 0.5).abs().max()) < 0.02


def test_company_changes_nothing() -> None:
    random = np.random.default_rng(4)
    rgb = picture(240, 320, random)
    masks = [
        ellipse(240, 320, (int(x), int(y)), (int(a), int(b)))
        for x, y, a, b in random.integers((20, 20, 4, 4), (300, 220, 110, 90), (12, 4))
    ]
    boxes, patches = split(masks)
    cutter = CropCutter(rgb, SIDE, MEAN)
    for background in BACKGROUNDS:
        look = Look(background, 0.2)
        together = cutter.cut(boxes, patches, look)
        alone = torch.cat([cutter.cut([box], [patch], look) for box, patch in zip(boxes, patches, strict=True)])
        assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 300), (300, 1), (2, 3)])
def test_small_pictures(height: int, width: int) -> None:
    rgb = np.full((height, width, 3), 200, np.uint8)
    mask = np.ones((height, width), bool)
    for background in BACKGROUNDS:
        for margin in (0.0, 4.0):
            crops = CropCutter(rgb, SIDE, MEAN).cut([(0, 0, width, height)], [mask], Look(background, margin))
            assert bool(torch.isfinite(crops).all())
            if background == "keep" and height == width:
                assert float((crops - 200 / 255).abs().max()) < 1e-5


def test_what_is_beyond_is_filled() -> None:
    rgb = np.full((100, 100, 3), 255, np.uint8)
    mask = np.ones((10, 80), bool)
    for background, colour in (("black", (0, 0, 0)), ("mean", MEAN), ("blur", MEAN), ("keep", MEAN)):
        crops = CropCutter(rgb, SIDE, MEAN).cut([(10, 45, 80, 10)], [mask], Look(background, 0.0))[0]
        assert torch.allclose(crops[:, 2, SIDE // 2], torch.tensor(colour).float(), atol=1e-6), background
        assert torch.allclose(crops[:, SIDE // 2, SIDE // 2], torch.ones(3), atol=1e-5), background
