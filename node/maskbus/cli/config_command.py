"""`maskbus config`: print the effective configuration, as a file that `serve --config` takes."""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import Any

import msgspec

from maskbus import __version__
from maskbus.cli import flags, toml_text
from maskbus.config import Config, Effective


def run(arguments: argparse.Namespace) -> int:
    """Print the configuration on stdout and its warnings on stderr."""
    effective = flags.load(arguments)
    for warning in effective.warnings:
        print(f"maskbus: warning: {warning}", file=sys.stderr)
    print(_as_json(effective) if arguments.json else as_toml(effective), end="")
    return 0


def as_toml(effective: Effective) -> str:
    """Return the configuration as TOML: one `name = value  # origin` a line, then the tables."""
    lines: list[tuple[str, str]] = []
    for name in Config.__struct_fields__:
        held = getattr(effective.config, name)
        if name in flags.IN_FILE_ONLY:
            continue
        if held is None:  # which TOML cannot say but by leaving it out
            lines.append((f"# {name} is left out", f"({effective.origin[name]})"))
        else:
            shown = _without_password(held) if name == "redis_url" else held
            lines.append((f"{name} = {toml_text.value(shown)}", toml_text.comment(effective.origin[name])))
    width = min(60, max(len(left) for left, _ in lines))
    text = f"# maskbus {__version__}: the effective configuration, and where each value comes from\n"
    text += "".join(f"{left:<{width}}  {right}\n" for left, right in lines)
    for kind in sorted(flags.IN_FILE_ONLY):
        for name, table in getattr(effective.config, kind).items():
            text += f"\n[{kind}.{toml_text.key(name)}]  {toml_text.comment(effective.origin[kind])}\n"
            for field in table.__struct_fields__:
                held = getattr(table, field)
                if isinstance(held, msgspec.Struct):
                    held = msgspec.to_builtins(held)
                if held is not None:
                    text += f"{field} = {toml_text.value(held)}\n"
    return text


def _without_password(url: str) -> str:
    """Return a URL whose password does not end up in a terminal's history or in somebody's report."""
    return re.sub(r"(?<=://)([^/@:]*):.*@", r"\1:PASSWORD@", url)


def _as_json(effective: Effective) -> str:
    plain: dict[str, Any] = msgspec.to_builtins(effective.config)
    plain["redis_url"] = _without_password(plain["redis_url"])
    values = {name: {"value": held, "origin": effective.origin[name]} for name, held in plain.items()}
    return json.dumps({"settings": values, "warnings": effective.warnings}, indent=2, default=str) + "\n"
