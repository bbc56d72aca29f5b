"""`maskbus demo`: a node, a photo, a click, a correction and a box, over ZeroMQ from end to end."""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape

from maskbus.cli import demo_pictures, own_node, tables
from maskbus.cli.demo_pictures import Panel
from maskbus.cli.failure import CommandFailed
from maskbus.cli.segment_photo import Photo, read_photo
from maskbus_client import picture
from maskbus_client.results import Result
from maskbus_client.sync import Client

_DEADLINE = 300.0
"""Seconds for each call: the first one waits until the model is loaded."""


@dataclass(frozen=True)
class Scene:
    """What the demo points at, in pixels."""

    click: tuple[float, float]
    unwanted: tuple[float, float] | None
    """A point that the click's mask should not hold; None: one is chosen when that mask is known."""
    box: tuple[float, float, float, float]


COFFEE = Scene(click=(150, 300), unwanted=(300, 130), box=(170, 15, 415, 245))
"""A click on the saucer takes all that stands on it; a second one the coffee out of it. The box is round the cup."""


def run(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    photo, scene = _scene(arguments.photo)
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    strip = Path(arguments.picture) if arguments.picture else out / "demo.png"
    strip.parent.mkdir(parents=True, exist_ok=True)
    print(f"photo    {photo.path.name}, {photo.width} × {photo.height} pixels")
    begin = time.perf_counter()
    with own_node.running(arguments.model) as ready:
        endpoint = ready.endpoints[0]
        print(f"node     {endpoint}, a process of its own, listens after {time.perf_counter() - begin:.1f} s")
        with Client(endpoint, deadline=_DEADLINE) as client:
            panels = _converse(client, photo, scene, arguments.model)
    print("node     stopped")
    original = out / f"photo{photo.path.suffix.lower()}"
    if not (original.exists() and original.samefile(photo.path)):
        shutil.copyfile(photo.path, original)
        print(f"written  {original}: the photo itself, to go on with")
    for panel in panels[1:]:
        path = out / f"{panel.name}.png"
        demo_pictures.annotated(panel).save(path)
        print(f"written  {path}: {panel.caption}")
    demo_pictures.strip(panels).save(strip, optimize=True)
    print(f"written  {strip}: all of them")
    return 0


def _scene(name: str | None) -> tuple[Photo, Scene]:
    if name is None:
        return read_photo(str(coffee())), COFFEE
    photo = read_photo(name)
    width, height = photo.width, photo.height
    box = (0.2 * width, 0.2 * height, 0.8 * width, 0.8 * height)
    return photo, Scene(click=(width // 2, height // 2), unwanted=None, box=box)


def coffee() -> Path:
    """Return the photo that comes with scikit-image, which need not be imported for it."""
    found = importlib.util.find_spec("skimage")
    for place in (found.submodule_search_locations or []) if found else []:
        path = Path(place) / "data" / "coffee.png"
        if path.is_file():
            return path
    raise CommandFailed(
        "The demo's photo comes with scikit-image, which is not installed: pip install 'maskbus[demo]', "
        "or name a photo of your own with --photo FILE."
    )


class _Conversation:
    """Ask about one picture that the node keeps, and note where the time went."""

    def __init__(self, client: Client, photo: Photo, model: str) -> None:
        self._client = client
        columns = ("call", "embedding", "masks", "in the node", "round trip", "area", "predicted IoU")
        self.table = tables.plain(*columns, right=range(1, 7))
        begin = time.perf_counter()
        self.handle = client.image(photo.data, model=model)
        round_trip_ms = (time.perf_counter() - begin) * 1e3
        self.table.add_row(f"load {escape(self.handle.model)}, keep the picture", "", "", "", f"{round_trip_ms:.1f} ms")

    def ask(self, name: str, **prompt: Any) -> Result:
        """Send a prompt alone: the picture is there already."""
        begin = time.perf_counter()
        result = self._client.segment(self.handle, **prompt)
        round_trip_ms = (time.perf_counter() - begin) * 1e3
        spent = (result.timings.embed_ms, result.timings.decode_ms, result.timings.total_ms, round_trip_ms)
        cells = [f"{ms:.1f} ms" for ms in spent]
        if len(result):
            share = 100 * result.best.area / (result.width * result.height)
            cells += [f"{share:.1f} %", f"{result.best.predicted_iou:.2f}"]
        self.table.add_row(name, *cells)
        return result


def _converse(client: Client, photo: Photo, scene: Scene, model: str) -> list[Panel]:
    """Ask for everything, print where the time went, and return the answers."""
    conversation = _Conversation(client, photo, model)
    pixels = picture.from_file(photo.data)
    with conversation.handle:
        click = conversation.ask("a click", points=[scene.click])
        unwanted = scene.unwanted or _farthest(click, scene.click)
        both = [scene.click, unwanted]
        corrected = conversation.ask("a second click: not this", points=both, labels=[1, 0])
        boxed = conversation.ask("a box", box=scene.box)
    print()
    tables.console().print(conversation.table)
    print()
    dots = [(*scene.click, 1), (*unwanted, 0)]
    return [
        Panel("photo", "the photo", pixels),
        Panel("click", "a click", click.overlay(pixels), points=dots[:1]),
        Panel("corrected", "a second click: not this", corrected.overlay(pixels), points=dots),
        Panel("box", "a box", boxed.overlay(pixels), boxes=[scene.box]),
    ]


def _farthest(result: Result, click: tuple[float, float]) -> tuple[float, float]:
    """Return the point of the mask that is farthest from the click; where there is no mask, a corner of the picture."""
    rows, columns = result.best.to_array().nonzero() if len(result) else (np.array([], int), np.array([], int))
    if not len(rows):
        return 0.5, 0.5
    at = int(((columns - click[0]) ** 2 + (rows - click[1]) ** 2).argmax())
    return float(columns[at]) + 0.5, float(rows[at]) + 0.5
