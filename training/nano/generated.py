"""Draw the small set of pictures that the tests ask the network about: `python -m training.nano.generated`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

HEIGHT, WIDTH = 180, 240
SEED = 20
PICTURES = 12
_FINE = 4
"""Shapes are drawn so many times larger, and scaled down: their edges are soft, as in a photo."""
_QUALITY = 85
FOLDER = Path(__file__).resolve().parents[2] / "tests" / "data" / "nano"


def main() -> int:
    """Write the pictures, their masks, and clicks and boxes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=FOLDER)
    parser.add_argument("--seed", type=int, default=SEED)
    flags = parser.parse_args()
    flags.to.mkdir(parents=True, exist_ok=True)
    prompts = []
    for number in range(PICTURES):
        pixels, mask = picture(np.random.default_rng([flags.seed, number]))
        name = f"{number:02}"
        cv2.imwrite(str(flags.to / f"{name}.jpg"), pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        cv2.imwrite(
            str(flags.to / f"{name}.png"), np.where(mask, 255, 0).astype(np.uint8), [cv2.IMWRITE_PNG_BILEVEL, 1]
        )
        prompts.append({"name": name, "click": _middle(mask), "box": _box(mask)})
    (flags.to / "prompts.json").write_text("[\n" + ",\n".join(json.dumps(one) for one in prompts) + "\n]\n")
    print(f"{PICTURES} pictures in {flags.to}")
    return 0


def picture(draw: np.random.Generator) -> tuple[UInt8Array, BoolArray]:
    """Return a picture, (H, W, 3) RGB, and the mask of one thing in it, (H, W); other things lie about."""
    pixels = _texture(draw, _colour(draw))
    others = int(draw.integers(1, 4))
    for left in range(others, -1, -1):
        # The last one lies on top of the others, and is the one that is asked for.
        size = float(draw.uniform(0.12, 0.4) if left == 0 else draw.uniform(0.08, 0.25)) * HEIGHT
        middle = draw.uniform(0.25, 0.75, 2) if left == 0 else draw.uniform(0.05, 0.95, 2)
        cover = _shape(draw, middle * [WIDTH, HEIGHT], size)
        alpha = cover[:, :, None]
        shadow = np.roll(cv2.GaussianBlur(cover, (0, 0), 3.0), (3, 2), (0, 1))[:, :, None]
        thing = _texture(draw, _colour(draw)) * _light(draw, cover)[:, :, None]
        pixels = pixels * (1 - 0.35 * shadow * (1 - alpha))
        pixels = np.asarray(pixels * (1 - alpha) + thing * alpha, np.float32)
    pixels = pixels + draw.normal(0, 2.5, pixels.shape).astype(np.float32)
    return np.asarray(np.clip(pixels, 0, 255), np.uint8), np.asarray(cover > 0.5, np.bool_)


def _colour(draw: np.random.Generator) -> FloatArray:
    hue, saturation, value = draw.uniform(0, 180), draw.uniform(60, 220), draw.uniform(90, 220)
    hsv = np.array([[[hue, saturation, value]]], np.uint8)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0], np.float32)


def _texture(draw: np.random.Generator, colour: FloatArray) -> FloatArray:
    """Return (H, W, 3): stripes, checks, speckles or clouds of a colour, 0…255."""
    ys, xs = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    angle = float(draw.uniform(0, np.pi))
    along, across = xs * np.cos(angle) + ys * np.sin(angle), ys * np.cos(angle) - xs * np.sin(angle)
    period = float(draw.uniform(7, 20))
    kind = int(draw.integers(4))
    if kind == 0:
        pattern = np.sin(along * 2 * np.pi / period)
    elif kind == 1:
        pattern = np.tanh(4 * np.sin(along * 2 * np.pi / period) * np.sin(across * 2 * np.pi / period))
    else:
        noise = draw.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32)
        pattern = cv2.GaussianBlur(noise, (0, 0), 1.2 if kind == 2 else 9.0)
        pattern = np.asarray(pattern / pattern.std(), np.float32)
    strength = float(draw.uniform(8, 26))
    slope = float(draw.uniform(-0.15, 0.15)) * (along / WIDTH)
    return np.asarray((colour + strength * pattern[:, :, None]) * (1 + slope[:, :, None]), np.float32)


def _light(draw: np.random.Generator, cover: FloatArray) -> FloatArray:
    """Return (H, W) about 1: brighter at one side of a thing, as if it were round."""
    depth = cv2.GaussianBlur(cover, (0, 0), 8.0)
    towards = float(draw.uniform(0, 2 * np.pi))
    slopes = np.gradient(depth)
    lit = slopes[1] * np.cos(towards) + slopes[0] * np.sin(towards)
    return np.asarray(1 + 0.35 * lit / max(float(np.abs(lit).max()), 1e-6), np.float32)


def _shape(draw: np.random.Generator, middle: npt.NDArray[np.float64], size: float) -> FloatArray:
    """Return how much of each pixel a shape covers, (H, W) 0…1.

    Args:
        draw: Random numbers.
        middle: x, y in pixels.
        size: About its radius in pixels.
    """
    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    kind = int(draw.integers(4))
    radius = np.ones_like(angles)
    if kind == 0:
        for wave in range(2, 6):
            radius += draw.normal(0, 0.35 / wave) * np.cos(wave * angles + draw.uniform(0, 2 * np.pi))
    elif kind == 1:
        radius += 0.3 * np.cos(int(draw.integers(3, 7)) * angles)
    elif kind == 2:
        radius = 1 / np.maximum(np.abs(np.cos(angles)), np.abs(np.sin(angles)))
    stretch = float(np.exp(draw.uniform(-0.4, 0.4)))
    turn = float(draw.uniform(0, np.pi))
    outline = np.maximum(radius, 0.3) * size * np.stack([np.cos(angles) * stretch, np.sin(angles) / stretch])
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ outline + middle[:, None]
    large = np.zeros((HEIGHT * _FINE, WIDTH * _FINE), np.float32)
    cv2.fillPoly(large, [np.rint(turned.T * _FINE).astype(np.int32)], 1.0)
    return np.asarray(cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.float32)


def _middle(mask: BoolArray) -> list[int]:
    """Return x and y of the place that is deepest inside."""
    depth = np.asarray(cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 5))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), mask.shape)
    return [int(x), int(y)]


def _box(mask: BoolArray) -> list[int]:
    """Return x0, y0, x1, y1 of the outermost pixels."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return [x, y, x + width - 1, y + height - 1]


if __name__ == "__main__":
    sys.exit(main())
