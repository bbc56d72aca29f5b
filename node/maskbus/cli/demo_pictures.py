"""The demo's pictures: masks with the prompts they answer, alone and side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from maskbus.cli.prompt_text import Box, Point

_FINE = 4
"""Prompts are drawn so many times as large and scaled down: Pillow's own edges are jagged."""
_DOT_SHARE = 48
"""One pixel of a dot's radius for so many of the picture's shorter side."""
_LEAST_DOT = 4.0
_OBJECT = (38, 196, 84)
_BACKGROUND = (230, 40, 40)
_BOX = (255, 214, 10)
_PANEL_HEIGHT = 320
_GAP = 12
_CAPTION = 36
_PAPER = (255, 255, 255)
_INK = (40, 40, 40)


@dataclass(frozen=True)
class Panel:
    """One picture of the demo."""

    name: str
    """Of its file."""
    caption: str
    pixels: NDArray[np.uint8]
    """RGB (H, W, 3), masks painted."""
    points: Sequence[Point] = field(default_factory=list)
    boxes: Sequence[Box] = field(default_factory=list)


def annotated(panel: Panel, height: int | None = None) -> Image.Image:
    """Return the panel with its prompts: green dots are on the object, red ones are not; left out: in its own size."""
    image = Image.fromarray(panel.pixels)
    scale = 1.0 if height is None else height / image.height
    if height is not None:
        image = image.resize((max(1, round(image.width * scale)), height), Image.Resampling.LANCZOS)
    if not (panel.points or panel.boxes):
        return image
    large = Image.new("RGBA", (image.width * _FINE, image.height * _FINE))
    draw = ImageDraw.Draw(large)
    radius = max(_LEAST_DOT, min(image.size) / _DOT_SHARE) * _FINE
    by = scale * _FINE
    for x0, y0, x1, y1 in panel.boxes:
        corners = (x0 * by, y0 * by, x1 * by, y1 * by)
        draw.rectangle(corners, outline=(0, 0, 0, 110), width=round(radius * 0.7))
        inset = radius * 0.15
        inner = (corners[0] + inset, corners[1] + inset, corners[2] - inset, corners[3] - inset)
        draw.rectangle(inner, outline=_BOX, width=round(radius * 0.4))
    for x, y, label in panel.points:
        for size, colour in (
            (1.45, (0, 0, 0, 110)),
            (1.3, (255, 255, 255, 255)),
            (1.0, _OBJECT if label else _BACKGROUND),
        ):
            reach = radius * size
            draw.ellipse((x * by - reach, y * by - reach, x * by + reach, y * by + reach), fill=colour)
    image = image.convert("RGBA")
    image.alpha_composite(large.resize(image.size, Image.Resampling.LANCZOS))
    return image.convert("RGB")


def strip(panels: Sequence[Panel]) -> Image.Image:
    """Return all panels side by side, each over its caption."""
    images = [annotated(panel, _PANEL_HEIGHT) for panel in panels]
    width = sum(image.width for image in images) + _GAP * (len(images) - 1)
    sheet = Image.new("RGB", (width, _PANEL_HEIGHT + _CAPTION), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(20)
    left = 0
    for panel, image in zip(panels, images, strict=True):
        sheet.paste(image, (left, 0))
        middle = (left + image.width / 2, _PANEL_HEIGHT + _CAPTION / 2)
        draw.text(middle, panel.caption, fill=_INK, font=font, anchor="mm")
        left += image.width + _GAP
    return sheet
