"""The arguments that say how an answer is made, whatever the prompt: who makes it, from what, and what follows."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from typing import Any

import msgspec

from maskbus.cli import prompt_text
from maskbus.cli.failure import CommandFailed
from maskbus_wire.errors import WireError
from maskbus_wire.requests import PostProcessing

_POST = """\
what is done to the masks, such as fill_holes=100,smooth=2, in this order: fill_holes=PIXELS, holes of fewer pixels are
filled; remove_islands=PIXELS, parts of fewer pixels are removed, but for the largest; smooth=PIXELS, outlines are
smoothed over so many to either side; min_area=PIXELS, masks of fewer pixels are left out; max_contours=N, of each
mask's polygons the N largest; max_error=PIXELS, polygons may lie so far beside the outline. none: nothing at all
(default: as the node is configured)"""

_SIDES = "64 to 32767 pixels"


def add(parser: argparse.ArgumentParser, *, single: bool = True) -> None:
    """Add them.

    Args:
        parser: Of the command.
        single: Whether it asks one question at a time: streams have no routes, and nothing to ask for again.
    """
    group = parser.add_argument_group("how the answer is made")
    if single:
        group.add_argument(
            "--route",
            type=_names,
            metavar="NAME,NAME",
            help="the models to try, one after the other, until one answers well enough",
        )
        group.add_argument(
            "--min-iou",
            type=prompt_text.share,
            metavar="X",
            help="an answer without a mask of this predicted IoU, 0 to 1, is not good enough, and the next model of "
            "the route is tried (default: as the route says; where none is named, it is auto)",
        )
        group.add_argument(
            "--fresh", action="store_true", help="have it computed, even if the node has the same answer already"
        )
    group.add_argument(
        "--max-side",
        type=_max_side,
        default=0,
        metavar="N",
        help=f"show the model the picture with its longer side no longer than this, {_SIDES}: sooner, and coarser "
        "(default: as it is)",
    )
    group.add_argument("--post", type=post, metavar="NAME=N,…", help=_POST)


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what was given, as arguments of the client. CommandFailed for what does not go together."""
    found: dict[str, Any] = {}
    if arguments.max_side:
        found["max_side"] = arguments.max_side
    if arguments.post is not None:
        found["post"] = arguments.post
    if getattr(arguments, "fresh", False):
        found["fresh"] = True
    names, least = getattr(arguments, "route", None), getattr(arguments, "min_iou", None)
    if names is not None and arguments.model:
        raise CommandFailed("--route names the models, and --model one of them, or another route: give one of the two.")
    if names is not None or least is not None:
        limit = {} if least is None else {"min_predicted_iou": least}
        found["route"] = {"models": names or [], **limit}
    return found


def post(text: str) -> dict[str, float]:
    """Read "fill_holes=100,smooth=2", or "none", which is nothing at all and not what the node is configured to do."""
    if text.strip() == "none":
        return {}
    kinds = {field.name: field.type for field in msgspec.structs.fields(PostProcessing)}
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name not in kinds:
            raise argparse.ArgumentTypeError(f"NAME=N with a name of {', '.join(kinds)} is wanted, not {part!r}")
        if name in found:
            raise argparse.ArgumentTypeError(f"{name} is given twice")
        try:
            found[name] = int(value) if kinds[name] is int else float(value)
        except ValueError:
            word = "a whole number" if kinds[name] is int else "a number"
            raise argparse.ArgumentTypeError(f"{name} is {word} of pixels, not {value!r}") from None
    from maskbus_wire.option_checks import check_post

    _checked(lambda: check_post(msgspec.convert(found, PostProcessing)))
    return found


def _max_side(text: str) -> int:
    from maskbus_wire.option_checks import check_max_side

    with contextlib.suppress(ValueError, WireError):
        value = int(text)
        check_max_side(value)
        if value:  # on the wire it means that nothing is asked
            return value
    raise argparse.ArgumentTypeError(f"{_SIDES} are wanted, not {text!r}")


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"names with commas between them are wanted, not {text!r}")
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"a model stands there twice: {text!r}")
    return names


def _checked(check: Callable[[], None]) -> None:
    try:
        check()
    except (WireError, OverflowError, msgspec.ValidationError) as error:
        message = error.message if isinstance(error, WireError) else str(error)
        raise argparse.ArgumentTypeError(f"{message[:1].lower()}{message[1:].rstrip('.')}") from None
