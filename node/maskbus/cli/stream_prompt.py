"""From the arguments of a command to those of `Client.stream`."""

from __future__ import annotations

import argparse
from typing import Any

from maskbus.cli import answer_flags, text_prompt
from maskbus.cli.failure import CommandFailed


def prompt(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what is to be segmented or followed, and how. CommandFailed for what does not go together."""
    return {**_wanted(arguments), **answer_flags.given(arguments)}


def _wanted(arguments: argparse.Namespace) -> dict[str, Any]:
    points = [(x, y) for x, y, _ in arguments.points]
    labels = [label for _, _, label in arguments.points]
    boxes = arguments.boxes
    if points and len(boxes) > 1:
        raise CommandFailed("Several boxes are several objects, and go without points: give one box at most.")
    words = text_prompt.prompt(arguments)
    if arguments.track:
        if words:
            raise CommandFailed("An object to follow is shown by points or a box, not by --text.")
        if not points and not boxes:
            raise CommandFailed("--track needs something to follow: --point X,Y or --box X0,Y0,X1,Y1.")
        if arguments.max_side:
            raise CommandFailed("--max-side does not go with --track: objects are followed in the frames as they are.")
        if (arguments.post or {}).get("min_area"):
            raise CommandFailed("--post min_area does not go with --track: no object that is followed is left out.")
        if not points:
            return {"track": True, "objects": {number: {"box": box} for number, box in enumerate(boxes, 1)}}
        one: dict[str, Any] = {"points": points, "labels": labels}
        return {"track": True, "objects": {1: one | ({"box": boxes[0]} if boxes else {})}}
    found: dict[str, Any] = {"points": points, "labels": labels} if points else {}
    return found | ({"boxes": boxes} if boxes else {}) | words


def flow(arguments: argparse.Namespace, *, default: str) -> dict[str, Any]:
    """Return which frames are looked at. CommandFailed for what does not go together.

    Args:
        arguments: The command's.
        default: The policy where none is named.
    """
    policy = arguments.policy or ("sample" if arguments.max_fps else default)
    if policy == "sample" and not arguments.max_fps:
        raise CommandFailed("--policy sample needs --max-fps N.")
    if policy != "sample" and arguments.max_fps:
        raise CommandFailed(f"--max-fps goes with --policy sample, not with --policy {policy}.")
    return {"policy": policy, "max_fps": arguments.max_fps, "max_age": arguments.max_age}
