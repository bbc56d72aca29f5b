"""Things that move through a scene."""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskbus.simulator import texture

KINDS = ("disc", "rectangle", "triangle", "ring", "star")
_GOLDEN_RATIO = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Path:
    """Where a thing is at which time: swings of several periods, so that it returns but not in step."""

    centre: tuple[float, float]
    """x, y in pixels that it moves about."""
    swing: tuple[float, float]
    """How far, in pixels, to both sides."""
    period: tuple[float, float]
    """Seconds there and back, in x and in y."""
    phase: tuple[float, float]
    """Where it begins, radians."""
    turn: float
    """Radians a second that it turns."""

    def at(self, seconds: float) -> tuple[float, float, float]:
        """Return x, y in pixels and the angle in radians."""
        x, y = (
            centre + swing * math.sin(math.tau * seconds / period + phase)
            for centre, swing, period, phase in zip(self.centre, self.swing, self.period, self.phase, strict=True)
        )
        return x, y, self.turn * seconds


@dataclass(frozen=True)
class Shape:
    """One thing: what it looks like, unturned, and how it moves."""

    kind: str
    rgb: NDArray[np.uint8]
    """uint8 (S, S, 3)."""
    inside: NDArray[np.uint8]
    """uint8 (S, S): 255 where it is."""
    path: Path

    def draw(self, picture: NDArray[np.uint8], labels: NDArray[np.uint8], label: int, seconds: float) -> None:
        """Draw it as it is at that time, over what is there.

        Args:
            picture: RGB uint8 (H, W, 3), written.
            labels: uint8 (H, W), written: `label` where the thing covers the pixel's centre.
            label: Its number.
            seconds: The time.
        """
        height, width = labels.shape
        x, y, angle = self.path.at(seconds)
        side = self.inside.shape[0]
        left, top = math.floor(x - side / 2), math.floor(y - side / 2)
        x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + side + 1), min(height, top + side + 1)
        if x0 >= x1 or y0 >= y1:
            return
        # From pixels of the window to those of the shape: whatever it turns by stays inside its square.
        cosine, sine = math.cos(angle), math.sin(angle)
        middle = (side - 1) / 2
        back = np.array(
            [
                [cosine, sine, middle - cosine * (x - x0) - sine * (y - y0)],
                [-sine, cosine, middle + sine * (x - x0) - cosine * (y - y0)],
            ]
        )
        size, how = (x1 - x0, y1 - y0), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        _, covered = cv2.threshold(cv2.warpAffine(self.inside, back, size, flags=how), 127, 255, cv2.THRESH_BINARY)
        cv2.copyTo(cv2.warpAffine(self.rgb, back, size, flags=how), covered, picture[y0:y1, x0:x1])
        cv2.copyTo(np.full_like(covered, label), covered, labels[y0:y1, x0:x1])


def make(random: np.random.Generator, number: int, height: int, width: int) -> Shape:
    """Return the shape with this number, from 0, for a scene of this size. Numbers have kinds and hues of their own."""
    kind = KINDS[number % len(KINDS)]
    # Turned by any angle, it fits in its square: what is drawn is smaller than that by the square root of 2.
    side = max(12, round(min(height, width) * random.uniform(0.34, 0.44)))
    hue = (0.02 + number * _GOLDEN_RATIO) % 1
    colour = np.array(colorsys.hsv_to_rgb(hue, random.uniform(0.65, 0.9), random.uniform(0.75, 0.95)), np.float32) * 255
    return Shape(
        kind,
        texture.painted(random, side, side, colour, contrast=22),
        _outline(kind, side),
        _path(random, number, height, width, side),
    )


def _path(random: np.random.Generator, number: int, height: int, width: int, side: int) -> Path:
    turn = random.uniform(0.2, 0.7) * random.choice((-1, 1))
    x, y = random.uniform(0.35, 0.65) * width, random.uniform(0.35, 0.65) * height
    period = (random.uniform(9, 15), random.uniform(6, 11))
    if number == 0:
        # The first one, which prompts point at, is in the middle at the beginning, and never leaves altogether.
        return Path((x, y), (0.3 * width, 0.25 * height), period, (0.0, random.uniform(-0.5, 0.5)), turn)
    # Every other one swings out of the picture and comes back.
    out = 0.5 * width + side if number % 2 else 0.35 * width
    phase = (random.uniform(0, math.tau), random.uniform(0, math.tau))
    return Path((x, y), (out, 0.4 * height), period, phase, turn)


def _outline(kind: str, side: int) -> NDArray[np.uint8]:
    mask = np.zeros((side, side), np.uint8)
    middle, radius = (side - 1) / 2, side / 2 - 2
    if kind in ("disc", "ring"):
        _ellipse(mask, middle, radius, 255)
        if kind == "ring":
            _ellipse(mask, middle, radius * 0.45, 0)
        return mask
    if kind == "rectangle":
        corners = [(math.cos(angle), math.sin(angle)) for angle in (0.6, math.pi - 0.6, math.pi + 0.6, -0.6)]
    elif kind == "triangle":
        corners = [(math.cos(math.tau * i / 3), math.sin(math.tau * i / 3)) for i in range(3)]
    else:
        corners = [
            ((1, 0.5)[i % 2] * math.cos(math.pi * i / 5), (1, 0.5)[i % 2] * math.sin(math.pi * i / 5))
            for i in range(10)
        ]
    points = np.array([(middle + radius * x, middle + radius * y) for x, y in corners])
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, shift=4)
    return mask


def _ellipse(mask: NDArray[np.uint8], middle: float, radius: float, value: int) -> None:
    cv2.circle(mask, (round(middle * 16), round(middle * 16)), round(radius * 16), value, -1, shift=4)
