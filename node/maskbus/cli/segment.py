"""`maskbus segment`: one picture and one prompt, or several pictures and texts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from maskbus.cli import answer_flags, segment_answer, segment_report, segment_several, some_node, text_prompt
from maskbus.cli.segment_photo import check_inside, read_mask, read_photo
from maskbus.cli.segment_targets import Targets

_DEADLINE = 30.0
_DEADLINE_OF_OWN_NODE = 300.0
"""Its model has yet to be loaded."""
_DEADLINE_OF_TEXT = 600.0
"""The whole picture is searched, as in everything mode."""


def run(arguments: argparse.Namespace) -> int:
    """Segment, write the files, print the report."""
    settings: dict[str, Any] = {
        "model": arguments.model,
        "encoding": arguments.encodings or "rle",
        "multimask": arguments.multimask,
        **answer_flags.given(arguments),
    }
    if arguments.photo is None and arguments.text_file is None:
        arguments.wrong_usage("the following arguments are required: PHOTO, or --text-file FILE")
    if arguments.text_file is not None or Path(arguments.photo).is_dir():
        session = segment_several.prepare(arguments)
        with some_node.client(arguments.endpoint, arguments.model) as (client, _, own):
            return session.run(client, settings | {"deadline": _deadline(arguments, own)})
    photo = read_photo(arguments.photo)
    check_inside(photo, arguments.points, arguments.boxes)
    prompt: dict[str, Any] = text_prompt.prompt(arguments)
    if arguments.points:
        prompt["points"] = [(x, y) for x, y, _ in arguments.points]
        prompt["labels"] = [label for _, _, label in arguments.points]
    if arguments.boxes:
        prompt["boxes"] = arguments.boxes
    if arguments.mask is not None:
        prompt["mask"] = read_mask(arguments.mask, photo)
    targets = Targets.of(arguments, photo)
    with some_node.client(arguments.endpoint, arguments.model) as (client, _, own):
        asked = {**prompt, **settings, "deadline": _deadline(arguments, own)}
        answer = segment_answer.ask(client, photo.data, asked)
    files = targets.write(answer, photo, arguments.rank)
    if arguments.json:
        segment_report.print_json(answer, files, best=arguments.rank)
    else:
        segment_report.print_report(answer, files, best=arguments.rank)
    return 0


def _deadline(arguments: argparse.Namespace, own: bool) -> float:
    given: float | None = arguments.deadline
    if given is None and (arguments.texts or arguments.text_file):
        return _DEADLINE_OF_TEXT
    return given or (_DEADLINE_OF_OWN_NODE if own else _DEADLINE)
