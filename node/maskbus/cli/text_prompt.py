"""From the arguments about text to those of the client."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import msgspec

from maskbus.cli.failure import CommandFailed
from maskbus_wire.errors import WireError
from maskbus_wire.option_checks import check_text_options
from maskbus_wire.requests import TextOptions

_FLAGS = {name: f"--{name}" for name in TextOptions.__struct_fields__}


def prompt(
    arguments: argparse.Namespace, texts: Sequence[str] | None = None, negative_texts: Sequence[str] = ()
) -> dict[str, Any]:
    """Return `text`, `negative_text` and `text_options` as far as they are given.

    Args:
        arguments: The command's.
        texts: What to look for, instead of --text.
        negative_texts: What else is not to be taken for it.

    Raises:
        CommandFailed: for what does not go together.
    """
    wanted = list(arguments.texts if texts is None else texts)
    chosen = options(arguments)
    unwanted = list(dict.fromkeys([*negative_texts, *arguments.negative_texts]))
    if not wanted:
        flags = [_FLAGS[name] for name in _FLAGS if getattr(arguments, name) is not None]
        flags += ["--not"] if unwanted else []
        if flags:
            raise CommandFailed(f"{flags[0]} goes with --text.")
        return {}
    found: dict[str, Any] = {"text": wanted}
    if unwanted:
        found["negative_text"] = unwanted
    if chosen:
        found["text_options"] = chosen
    return found


def options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return how masks are chosen, as far as it was said. CommandFailed for what does not go together."""
    found = {name: getattr(arguments, name) for name in _FLAGS if getattr(arguments, name) is not None}
    if "top" in found:
        if found.setdefault("select", "top") != "top":
            raise CommandFailed(f"--top goes with --select top, not with --select {found['select']}.")
        if "threshold" in found:
            raise CommandFailed("--threshold does not go with --top: the most similar masks are taken as they are.")
    try:
        check_text_options(msgspec.convert(found, TextOptions), None)
    except WireError as error:
        raise CommandFailed(f"{_FLAGS[error.path.rpartition('.')[2]]}: {error.message}") from None
    return found
