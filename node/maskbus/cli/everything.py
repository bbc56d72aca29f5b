"""`maskbus everything`: all objects of a photo, of the photos in a folder, or of the frames of a video."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from maskbus.cli import (
    answer_flags,
    everything_flags,
    everything_sources,
    everything_targets,
    failure,
    segment_report,
    some_node,
)
from maskbus.cli.coco import Dataset
from maskbus.cli.everything_overlay import painted
from maskbus.cli.everything_progress import Listener, shown
from maskbus.cli.everything_sources import Photo, Picture, Source, Video
from maskbus.cli.everything_targets import Target
from maskbus.cli.failure import CommandFailed
from maskbus_client.errors import MaskbusError
from maskbus_client.results import Result
from maskbus_client.sync import Client


def run(arguments: argparse.Namespace) -> int:
    """Search, write the files, say how many masks there are."""
    first, last = arguments.frames or (0, None)
    source = everything_sources.find(arguments.source, first=first, last=last, every=arguments.every)
    if not isinstance(source, Video) and (arguments.frames or arguments.every != 1):
        raise CommandFailed(f"--frames and --every are for videos, and {arguments.source} is none.")
    answer_flags.given(arguments)  # what does not go together is said before a node is bothered
    target = None
    if arguments.out or not arguments.json:
        target = everything_targets.find(arguments.out, source)
    dataset = _dataset(arguments.json, source)
    try:
        with some_node.client(arguments.endpoint, arguments.model) as (client, _, _):
            _search_all(client, arguments, source, target, dataset)
    finally:
        # What is there by now is worth keeping, whatever has gone wrong since.
        if target is not None:
            target.close()
        if dataset is not None and dataset.pictures:
            dataset.write(arguments.json)
    return 0


def _dataset(name: str | None, source: Source) -> Dataset | None:
    """Return what the masks are collected in, if they are. CommandFailed if they could not be written."""
    if name is None:
        return None
    if name != "-":
        path = Path(name)
        if path.is_dir() or not path.parent.is_dir():
            raise CommandFailed(f"--json {path}: there is no directory {path.parent}, or it is one itself.")
        if path.resolve() == source.path.resolve():
            raise CommandFailed(f"--json {path} would overwrite what it is made of.")
    return Dataset(f"Everything in {source.path.name}")


def _search_all(
    client: Client, arguments: argparse.Namespace, source: Source, target: Target | None, dataset: Dataset | None
) -> None:
    words = sys.stderr if arguments.json == "-" else sys.stdout
    total = pictures = 0
    models: list[str] = []
    with shown() as bar, contextlib.closing(source.pictures()) as found:
        for pictures, picture in enumerate(found, 1):
            title = picture.name if source.count == 1 else f"{picture.name} ({pictures} of {source.count or '?'})"
            result = _search(client, arguments, picture, bar.begin(title), alone=isinstance(source, Photo))
            for line in segment_report.origin_lines(result):
                print(f"maskbus: {picture.name}: {line}", file=sys.stderr)
            if target is not None:
                target.write(picture.name, painted(picture.rgb(), result, seed=arguments.seed, alpha=arguments.alpha))
            if dataset is not None:
                dataset.add(picture.name, result)
            total += len(result)
            models += [] if result.model in models else [result.model]
            if not isinstance(source, Photo):
                print(f"{picture.name}: {len(result)} masks", file=words, flush=True)
    where = "" if isinstance(source, Photo) else f" in {pictures} pictures"
    by = f" by {' and '.join(models)}" if models else ""
    print(f"Found {total} masks{where}{by}.", file=words)
    if target is not None:
        print(f"written: {target.path}", file=words)
    if arguments.json not in (None, "-"):
        print(f"written: {arguments.json}", file=words)


def _search(client: Client, arguments: argparse.Namespace, picture: Picture, tell: Listener, *, alone: bool) -> Result:
    try:
        return client.everything(
            picture.sent,
            color="bgr",
            preset=arguments.preset,
            model=arguments.model,
            encoding="rle",
            progress=tell,
            deadline=arguments.deadline,
            **everything_flags.given(arguments),
            **answer_flags.given(arguments),
        )
    except MaskbusError as error:
        if alone:
            raise
        raise CommandFailed(f"{picture.name}: {failure.explain(error)}") from None
    except ValueError as error:  # what the client checks before anything is sent
        raise CommandFailed(str(error)) from None
