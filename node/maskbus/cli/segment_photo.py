"""A picture to segment, a mask to refine, and whether a prompt lies in it: all that is looked at beforehand."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from maskbus.cli.failure import CommandFailed
from maskbus_wire import compressed_image

if TYPE_CHECKING:
    from maskbus.cli.prompt_text import Box, Point


@dataclass(frozen=True)
class Photo:
    """A picture file, looked at no further than its size."""

    path: Path
    data: bytes
    width: int
    height: int


def read_photo(name: str | Path) -> Photo:
    """Return the picture file called `name`.

    Raises:
        OSError: if it cannot be read.
        CommandFailed: if it is not a picture that a node reads.
    """
    path = Path(name)
    data = path.read_bytes()
    try:
        _, width, height = compressed_image.probe(data)
    except ValueError:
        raise CommandFailed(f"{name} is not a JPEG, PNG or WebP picture.") from None
    return Photo(path, data, width, height)


def read_mask(name: str, photo: Photo) -> NDArray[np.bool_]:
    """Return the mask file called `name`, bool (H, W), of the photo's size. Raises as `read_photo`."""
    from PIL import Image

    data = Path(name).read_bytes()
    try:
        encoding, width, height = compressed_image.probe(data)
    except ValueError:
        encoding, width, height = None, 0, 0
    if encoding != "png":
        raise CommandFailed(f"{name} is not a PNG picture.")
    # Before anything is decoded: how large a picture is, its header may lie about.
    if (height, width) != (photo.height, photo.width):
        raise CommandFailed(
            f"The mask {name} has {width} × {height} pixels, {photo.path} has {photo.width} × {photo.height}."
        )
    try:
        with Image.open(io.BytesIO(data)) as opened:
            array: NDArray[np.bool_] = np.asarray(opened.convert("L")) != 0
    except (OSError, SyntaxError, ValueError):  # all of which Pillow raises for damaged files
        raise CommandFailed(f"{name} is damaged.") from None
    return array


def check_inside(photo: Photo, points: Sequence[Point], boxes: Sequence[Box]) -> None:
    """Raise CommandFailed for what lies outside of the photo, and for prompts that do not go together."""
    size = f"{photo.path}, which has {photo.width} × {photo.height} pixels"
    for x, y, _ in points:
        if not (0 <= x <= photo.width and 0 <= y <= photo.height):
            raise CommandFailed(f"The point {x:g},{y:g} lies outside of {size}.")
    for x0, y0, x1, y1 in boxes:
        if min(x0, y0) < 0 or x1 > photo.width or y1 > photo.height:
            raise CommandFailed(f"The box {x0:g},{y0:g},{x1:g},{y1:g} reaches outside of {size}.")
    if points and len(boxes) > 1:
        raise CommandFailed("Several boxes are several objects, and go without points: ask for one box at a time.")
