"""`maskbus models`: get the weights of models, and look at those that are there."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from maskbus import config, directories
from maskbus.cli import pull_progress
from maskbus.cli.failure import CommandFailed
from maskbus.cli.quantities import amount
from maskbus.weights import ENTRIES, WeightsError
from maskbus.weights.check import State, check, state
from maskbus.weights.place import Place


def run(arguments: argparse.Namespace) -> int:
    """Do what the subcommand says, in the weights directory that a node would use."""
    flags = {"weights_dir": arguments.weights_dir} if arguments.weights_dir is not None else {}
    directory = directories.weights(config.load(file=arguments.config, flags=flags).config.weights_dir)
    command = {"list": _list, "pull": _pull, "verify": _verify, "path": _path}[arguments.models]
    return command(arguments, directory)


def _places(names: Sequence[str], directory: Path) -> list[Place]:
    for name in names:
        if name not in ENTRIES:
            raise CommandFailed(f"There are no weights of {name!r}; there are those of {', '.join(ENTRIES)}.")
    return [Place(ENTRIES[name], directory) for name in dict.fromkeys(names)]


def _list(arguments: argparse.Namespace, directory: Path) -> int:
    places = _places(list(ENTRIES), directory)
    if arguments.json:
        print(json.dumps([_plain(place, state(place)) for place in places], indent=2, ensure_ascii=False))
    else:
        _print_table(places, directory)
    return 0


def _plain(place: Place, found: State) -> dict[str, Any]:
    entry = place.entry
    return {
        "name": entry.name,
        "title": entry.title,
        "family": entry.family,
        "state": found.name,
        "fraction": found.fraction,
        "reason": found.reason,
        "path": str(place.path),
        "size": entry.size,
        "sha256": entry.sha256,
        "licence": entry.licence,
        "citation": entry.citation,
        "homepage": entry.homepage,
        "urls": list(entry.urls),
        "confirmed": list(entry.confirmed),
    }


def _print_table(places: Sequence[Place], directory: Path) -> None:
    from rich.markup import escape

    from maskbus.cli import tables

    styles = {"present": "green", "unverified": "yellow", "partial": "yellow", "damaged": "red", "missing": "dim"}
    console = tables.console()
    table = tables.plain("model", "family", "size", "licence", "state", right=[2])
    notes = [f"directory: {directory}"]
    for place in places:
        entry, found = place.entry, state(place)
        size = amount(entry.size) if entry.size else "unknown"
        style = styles[found.name]
        table.add_row(entry.name, entry.family, size, entry.licence, f"[{style}]{escape(found.words())}[/]")
        if found.reason:
            notes.append(found.reason)
    notes += ["maskbus models pull NAME gets one, or goes on with a part; maskbus models verify reads those there are"]
    console.print(table)
    console.print()
    for note in notes:
        console.print(escape(note), soft_wrap=True)


def pull_missing(settings: config.Config) -> None:
    """Download what the models lack that a node is told to offer.

    Raises:
        CommandFailed: if something could not be had.
    """
    directory = directories.weights(settings.weights_dir)
    offered = dict.fromkeys([*settings.models, settings.default_model])
    wanted = dict.fromkeys(weights for name in offered for weights in _weights_of(name, settings))
    places = _places(list(wanted), directory)
    if _get(
        [place for place in places if state(place).name in {"missing", "partial", "damaged"}], directory, "", sys.stderr
    ):
        raise CommandFailed("Not all weights could be had; without --pull the node serves what can run.")


def _weights_of(name: str, settings: config.Config) -> list[str]:
    """Return what of the manifest a model needs."""
    model = settings.model.get(name, config.ModelConfig())
    handler = model.handler or name
    own = [] if "weights" in model.options else [handler]
    if handler == "text":  # two models in one
        from maskbus.handlers.text_proposals import DEFAULT_PROPOSALS
        from maskbus.interfaces import LoadContext
        from maskbus.models import clip_recipe

        own = [] if "weights" in model.options else [clip_recipe.published(LoadContext(name, options=model.options))]
        own.append(str(model.options.get("proposals", DEFAULT_PROPOSALS)))
    return [weights for weights in own if weights in ENTRIES]


def _pull(arguments: argparse.Namespace, directory: Path) -> int:
    places = _places(arguments.names, directory)
    source = arguments.source or ""
    if len(places) > 1 and source and not source.endswith("/") and not Path(source).expanduser().is_dir():
        raise CommandFailed("--from: for several models name a directory, or an address that ends in /.")
    return 1 if _get(places, directory, source) else 0


def _get(places: Sequence[Place], directory: Path, source: str, out: TextIO | None = None) -> bool:
    """Get some weights, and tell of each; return whether something could not be had."""
    from maskbus.weights.pull import pull

    failed = False
    for place in places:
        name = place.entry.name
        try:
            with pull_progress.shown(name) as report:
                path = pull(place.entry, directory, source=source, report=report)
        except WeightsError as error:
            failed = True
            print(f"maskbus: {error}", file=sys.stderr)
        except (KeyboardInterrupt, SystemExit):
            found = state(place)
            what = f" at {found.words().removeprefix('partial ')}" if found.fraction is not None else ""
            print(f"maskbus: {name}: stopped{what}; the same command goes on from there.", file=sys.stderr)
            raise
        else:
            print(f"{name}: {path}", file=out)
    return failed


def _verify(arguments: argparse.Namespace, directory: Path) -> int:
    places = _places(arguments.names or list(ENTRIES), directory)
    if not arguments.names:
        places = [place for place in places if place.path.exists()]
    if not places:
        print(f"There are no weights in {directory}.")
    failed = False
    for place in places:
        name = place.entry.name
        try:
            with pull_progress.shown(name) as report:
                digest = check(place, afresh=True, advanced=lambda done: report.advances(done, place.entry.size))  # noqa: B023
        except WeightsError as error:
            failed = True
            print(f"maskbus: {error}", file=sys.stderr)
        else:
            how = "as published" if place.entry.sha256 else "as pinned at its first use; none is published"
            print(f"{name}: sha256 {digest}, {how}")
    return 1 if failed else 0


def _path(arguments: argparse.Namespace, directory: Path) -> int:
    if not arguments.names:
        print(directory)
        return 0
    for place in _places(arguments.names, directory):
        if not place.path.is_file():
            raise CommandFailed(f"The weights of {place.entry.name} are missing; get them ({place.command()}).")
        print(place.path)
    return 0
