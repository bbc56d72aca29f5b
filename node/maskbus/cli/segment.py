"""`maskbus segment`: one picture, one prompt, one answer."""

from __future__ import annotations

import argparse
import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maskbus.cli import segment_report, some_node
from maskbus.cli.failure import CommandFailed
from maskbus_client.results import Result
from maskbus_client.sync import Client
from maskbus_wire import compressed_image

if TYPE_CHECKING:
    from maskbus.cli.prompt_text import Box, Point

_DEADLINE = 30.0
_DEADLINE_OF_OWN_NODE = 300.0
"""Its model has yet to be loaded."""


@dataclass(frozen=True)
class Photo:
    """A picture file, looked at no further than its size."""

    path: Path
    data: bytes
    width: int
    height: int


def run(arguments: argparse.Namespace) -> int:
    """Segment, write the files, print the report."""
    photo = read_photo(arguments.photo)
    check_inside(photo, arguments.points, arguments.boxes)
    mask = None if arguments.mask is None else read_mask(arguments.mask, photo)
    targets = Targets.of(arguments, photo)
    with some_node.client(arguments.endpoint, arguments.model) as (client, endpoint, own):
        deadline = arguments.deadline or (_DEADLINE_OF_OWN_NODE if own else _DEADLINE)
        begin = time.perf_counter()
        result = _ask(client, arguments, photo, mask, deadline)
        round_trip_ms = (time.perf_counter() - begin) * 1e3
    files = targets.write(result, photo)
    if arguments.json:
        segment_report.print_json(result, endpoint, round_trip_ms, files)
    else:
        segment_report.print_table(result, round_trip_ms, files)
    return 0


def read_photo(name: str) -> Photo:
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


def check_inside(photo: Photo, points: list[Point], boxes: list[Box]) -> None:
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


@dataclass(frozen=True)
class Targets:
    """The files to write."""

    picture: Path | None
    mask: Path | None

    @classmethod
    def of(cls, arguments: argparse.Namespace, photo: Photo) -> Targets:
        """Return where the arguments say that the answer goes. CommandFailed where it cannot go there."""
        picture = Path(arguments.out) if arguments.out else None
        if picture is None and not arguments.json:
            picture = Path(f"{photo.path.stem}-masks.png")
        mask = Path(arguments.mask_out) if arguments.mask_out else None
        read = [photo.path.resolve(), *([Path(arguments.mask).resolve()] if arguments.mask else [])]
        for flag, path in (("--out", picture), ("--mask-out", mask)):
            if path is None:
                continue
            if path.suffix.lower() != ".png":
                raise CommandFailed(f"{flag} writes a PNG file: give it a name that ends in .png, not {path}.")
            if path.resolve() in read:
                raise CommandFailed(f"{flag} {path} would overwrite what it is made of.")
            if not path.parent.is_dir():
                raise CommandFailed(f"{flag} {path}: there is no directory {path.parent}.")
        return cls(picture, mask)

    def write(self, result: Result, photo: Photo) -> dict[str, list[str]]:
        """Write the files and return what was written, by kind."""
        written: dict[str, list[str]] = {"picture": [], "masks": []}
        if self.picture is not None:
            from maskbus_client import picture

            picture.write_png(self.picture, result.overlay(photo.data))
            written["picture"].append(str(self.picture))
        if self.mask is not None:
            for i, mask in enumerate(result.masks):
                path = self.mask if len(result) == 1 else self.mask.with_stem(f"{self.mask.stem}-{i}")
                mask.save(path)
                written["masks"].append(str(path))
        return written


def _ask(
    client: Client, arguments: argparse.Namespace, photo: Photo, mask: NDArray[np.bool_] | None, deadline: float
) -> Result:
    prompt: dict[str, Any] = {}
    if arguments.points:
        prompt["points"] = [(x, y) for x, y, _ in arguments.points]
        prompt["labels"] = [label for _, _, label in arguments.points]
    if arguments.boxes:
        prompt["boxes"] = arguments.boxes
    if mask is not None:
        prompt["mask"] = mask
    if arguments.texts:
        prompt["text"] = arguments.texts
    try:
        return client.segment(
            photo.data,
            model=arguments.model,
            encoding=arguments.encodings or "rle",
            multimask=arguments.multimask,
            deadline=deadline,
            **prompt,
        )
    except ValueError as error:  # what the client checks before anything is sent
        raise CommandFailed(str(error)) from None
