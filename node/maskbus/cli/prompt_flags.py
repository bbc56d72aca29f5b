"""The arguments that say what is to be segmented, for every command that asks for masks."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from maskbus.cli import prompt_text

if TYPE_CHECKING:
    from argparse import _ArgumentGroup

SELECT = ("softmax", "cosine", "top")
COMBINE = ("each", "union")
BACKGROUND = ("black", "mean", "blur", "keep")


def add_places(prompt: _ArgumentGroup) -> None:
    """Add points and boxes."""
    prompt.add_argument(
        "--point",
        dest="points",
        action="append",
        default=[],
        type=prompt_text.point,
        metavar="X,Y[,0|1]",
        help="a point on the object, or with ,0 one that is not; may be given several times, for one object",
    )
    prompt.add_argument(
        "--box",
        dest="boxes",
        action="append",
        default=[],
        type=prompt_text.box,
        metavar="X0,Y0,X1,Y1",
        help="a box round the object; several boxes are several objects, and go without points",
    )


def add_texts(prompt: _ArgumentGroup) -> None:
    """Add what is to be looked for, in words."""
    prompt.add_argument(
        "--text",
        dest="texts",
        action="append",
        default=[],
        type=prompt_text.words,
        metavar="WORDS",
        help='what to look for, such as "a red cup"; may be given several times, and each mask says which it is',
    )
    prompt.add_argument(
        "--not",
        dest="negative_texts",
        action="append",
        default=[],
        type=prompt_text.words,
        metavar="WORDS",
        help="what is not to be taken for it: masks that are more like this are left out; may be given several times",
    )


def add_model(prompt: _ArgumentGroup | argparse.ArgumentParser, *, texts: bool = True) -> None:
    """Add who is to do it, also where it may be about texts."""
    default = "the node's own; with a text, its own for texts" if texts else "the node's own"
    prompt.add_argument(
        "--model", default="", metavar="NAME", help=f"the model, or a route such as auto (default: {default})"
    )


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add how masks are chosen by text."""
    choice = parser.add_argument_group(
        "how masks are chosen by text",
        "A model that reads text looks at every object of the picture, and compares what it shows with the words. What "
        "is left out here is as the model is configured.",
    )
    choice.add_argument(
        "--select",
        choices=SELECT,
        help="softmax: those of at least --threshold probability, which all masks of the picture share; cosine: those "
        "of at least that similarity; top: the --top most similar ones (default: softmax)",
    )
    choice.add_argument(
        "--threshold",
        type=prompt_text.similarity,
        metavar="X",
        help="the least probability, 0 to 1, or similarity, -1 to 1 (default: 0.1, with --select cosine 0.25)",
    )
    choice.add_argument(
        "--top", type=prompt_text.count, metavar="K", help="how many masks of each text; means --select top"
    )
    choice.add_argument("--combine", choices=COMBINE, help="each mask, or all masks of a text as one (default: each)")
    choice.add_argument(
        "--background",
        choices=BACKGROUND,
        help="what is put around an object before it is looked at: black, the grey that means nothing to the model, "
        "its surroundings blurred, or as they are (default: mean)",
    )
    choice.add_argument(
        "--margin",
        type=prompt_text.margin,
        metavar="SHARE",
        help="how much of what is around it is looked at, in parts of its longer side, 0 to 4 (default: 0.1)",
    )
