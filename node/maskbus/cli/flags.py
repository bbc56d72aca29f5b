"""The configuration's fields as flags: every field but the tables has one, with its own documentation."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from typing import Any, Literal, get_args, get_origin

import msgspec

from maskbus import config, documented
from maskbus.config import Config

IN_FILE_ONLY = frozenset({"model", "route"})
"""Tables do not fit on a command line."""

_NAMES = {"models": "model"}
"""Fields whose flag is called otherwise: one --model names one of `models`."""
_PLACEHOLDERS = {
    "bind": "ENDPOINT",
    "publish": "ENDPOINT",
    "models": "NAME",
    "preload": "NAME",
    "default_model": "NAME",
    "text_model": "NAME",
    "redis_url": "URL",
    "runtime_dir": "DIR",
    "weights_dir": "DIR",
    "image_dir": "DIR",
    "client_keys_dir": "DIR",
    "secret_key_file": "FILE",
    "log_level": "LEVEL",
    "leased_bytes_per_client": "BYTES",
}
_UNITS = {"_ms": "MS", "_s": "SECONDS", "_bytes": "BYTES", "_pixels": "PIXELS"}
_LISTS = (list[str], list[str] | None)


def add(parser: argparse.ArgumentParser, *, without: Collection[str] = ()) -> None:
    """Add --config and one flag a field, but for those of the fields in `without`."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="TOML file with the same settings and tables of models (default: the file MASKBUS_CONFIG names, if any). "
        "Environment variables (MASKBUS_QUEUE_LENGTH=8) go before the file, flags before both.",
    )
    group = parser.add_argument_group("settings")
    documentation = documented.of(Config)
    for field in msgspec.structs.fields(Config):
        if field.name in IN_FILE_ONLY:
            continue
        if field.name in without:
            parser.set_defaults(**{field.name: None})
            continue
        flag = "--" + _NAMES.get(field.name, field.name).replace("_", "-")
        words = documentation.get(field.name, "").rstrip(".") + _default(field)
        wanted: dict[str, Any] = {"dest": field.name, "default": None, "help": words.replace("%", "%%")}
        if field.type is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, **wanted)
            continue
        if get_origin(field.type) is Literal:
            group.add_argument(flag, choices=get_args(field.type), **wanted)
            continue
        wanted["metavar"] = _placeholder(field.name)
        if field.type in _LISTS:
            wanted["help"] += "; may be given several times"
            group.add_argument(flag, action="append", **wanted)
            if field.type != list[str]:
                # Left out and empty are two things here, and no list of names is the empty one.
                group.add_argument(
                    f"--no-{flag[2:]}", dest=field.name, action="store_const", const=[], help="none of them"
                )
        else:
            group.add_argument(flag, type=field.type, **wanted)


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the fields that flags were given for."""
    fields = (name for name in Config.__struct_fields__ if name not in IN_FILE_ONLY)
    return {name: getattr(arguments, name) for name in fields if getattr(arguments, name) is not None}


def load(arguments: argparse.Namespace) -> config.Effective:
    """Return the effective configuration of parsed arguments. ConfigError as `maskbus.config.load`."""
    return config.load(file=arguments.config, flags=given(arguments))


def _placeholder(name: str) -> str:
    units = (unit for suffix, unit in _UNITS.items() if name.endswith(suffix))
    return _PLACEHOLDERS.get(name) or next(units, "N")


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = getattr(Config(), field.name)
    if value in ("", []) or value is None or (value == 0 and not isinstance(value, bool)):
        return ""  # the documentation says what that means
    if isinstance(value, bool):
        return f" (default: {'yes' if value else 'no'})"
    if isinstance(value, list):
        return f" (default: {', '.join(value)})"
    if field.name.endswith("_bytes"):
        return f" (default: {value}, which is {value // config.MIB} MiB)"
    return f" (default: {value})"
