"""Photos come into the model's square, and masks back out, without a shift."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from maskbus.models.picture import Framing, Letterbox, Stretch
from support.sam_references import scene

SIZES = [(357, 511), (511, 357), (1080, 1920), (64, 48), (1, 8000), (8000, 1)]
KINDS = [Letterbox, Stretch]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_shapes(kind: type[Framing], height: int, width: int) -> None:
    framing = kind(height, width)
    assert framing.tensor(scene(height, width)).shape == (3, 1024, 1024)
    assert framing.upscale(np.zeros((256, 256), np.float32)).shape == (height, width)
    assert framing.shrink(np.zeros((height, width), np.float32), 256).shape == (256, 256)


@pytest.mark.parametrize("kind", KINDS)
def test_the_square_made_on_a_device_is_the_same_but_for_rounding(kind: type[Framing]) -> None:
    framing, pixels = kind(357, 511), scene(357, 511)
    differs = (framing.tensor(pixels) - framing.tensor_on(pixels, torch.device("cpu"))).abs()
    level = 1 / (255 * 0.224)  # of the least spread channel, normalised
    assert differs.max() <= 1.01 * level
    assert differs.mean() < 0.05 * level


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("height", "width"), [(357, 511), (900, 300), (40, 3000)])
def test_a_mask_there_and_back_stays_where_it_was(kind: type[Framing], height: int, width: int) -> None:
    framing = kind(height, width)
    mask = np.zeros((height, width), np.float32)
    top, left = height // 5, width // 3
    mask[top : top + height // 2, left : left + width // 4] = 1
    back = framing.upscale(framing.shrink(mask, 256) * 2 - 1) > 0
    rows, columns = np.nonzero(mask)
    there_rows, there_columns = np.nonzero(back)
    cell = max(height, width) / 256
    assert abs(rows.mean() - there_rows.mean()) < max(0.75, 0.3 * cell)
    assert abs(columns.mean() - there_columns.mean()) < max(0.75, 0.3 * cell)


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_is_where_its_pixel_went(kind: type[Framing]) -> None:
    pixels = np.zeros((300, 500, 3), np.uint8)
    pixels[100:104, 400:404] = 255
    framing = kind(300, 500)
    square = framing.tensor(pixels)[0]
    bright = square > (square.max() + square.min()) / 2
    row, column = (axis.float().mean() for axis in torch.nonzero(bright, as_tuple=True))
    (x, y) = framing.places(np.array([[401.5, 101.5]], np.float32))[0]
    assert abs(float(column) - x) < 1.5
    assert abs(float(row) - y) < 1.5


def test_scaling_equals_torchs() -> None:
    random = np.random.default_rng(3)
    low = random.standard_normal((256, 256)).astype(np.float32)
    for height, width in ((357, 511), (1080, 1920), (100, 90)):
        expected = functional.interpolate(
            torch.from_numpy(low)[None, None], (height, width), mode="bilinear", align_corners=False
        )
        assert np.abs(Stretch(height, width).upscale(low) - expected[0, 0].numpy()).max() < 2e-4


def test_a_read_only_picture_is_taken() -> None:
    pixels = scene(50, 60)
    pixels.flags.writeable = False
    for kind in KINDS:
        assert kind(50, 60).tensor(pixels).isfinite().all()
