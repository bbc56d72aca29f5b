"""The settings of everything mode as flags: every field of the request's has one, with its own documentation."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

import msgspec

from maskbus import documented
from maskbus_wire.everything_checks import RANGES
from maskbus_wire.requests import EverythingOptions

_UNITS = {"area": "PIXELS", "thresh": "SHARE", "ratio": "SHARE"}


def add(parser: argparse.ArgumentParser) -> None:
    """Add one flag a setting."""
    group = parser.add_argument_group("settings", "Each is the preset's, unless it is given here.")
    documentation = documented.of(EverythingOptions)
    for field in msgspec.structs.fields(EverythingOptions):
        flag = "--" + field.name.replace("_", "-")
        wanted: dict[str, Any] = {"dest": field.name, "default": None}
        wanted["help"] = documentation.get(field.name, "").rstrip(".").replace("%", "%%")
        if field.type == bool | None:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, **wanted)
            continue
        kind = int if field.type == int | None else float
        metavar = _UNITS.get(field.name.rpartition("_")[2], "N")
        group.add_argument(flag, type=_reader(kind, *RANGES[field.name]), metavar=metavar, **wanted)


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that flags were given for."""
    names = EverythingOptions.__struct_fields__
    return {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}


def _reader(kind: type, least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value: float = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            word = "a whole number" if kind is int else "a number"
            limit = f"of {least} to {most}" if most < 2**32 else f"from {least} on"
            raise argparse.ArgumentTypeError(f"{word} {limit} is wanted, not {text!r}")
        return value

    return read
