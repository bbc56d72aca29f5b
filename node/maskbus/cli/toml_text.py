"""Values as TOML, for a configuration that can be read back."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def value(thing: Any) -> str:
    """Return one value as TOML.

    Raises:
        TypeError: for what TOML has no form for.
    """
    if isinstance(thing, bool):
        return "true" if thing else "false"
    if isinstance(thing, str):
        return _text(thing)
    if isinstance(thing, int):
        return str(thing)
    if isinstance(thing, float):
        return repr(thing)
    if isinstance(thing, (datetime.date, datetime.time)):
        return thing.isoformat()
    if isinstance(thing, Mapping):
        inside = ", ".join(f"{key(name)} = {value(held)}" for name, held in thing.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(thing, Sequence):
        return f"[{', '.join(map(value, thing))}]"
    raise TypeError(f"TOML has no form for a {type(thing).__name__}.")


def key(name: str) -> str:
    """Return a key as TOML, in quotes where it needs them."""
    return name if _BARE.fullmatch(name) else _text(name)


def comment(text: str) -> str:
    """Return a comment; control characters, which TOML forbids there, are escaped."""
    return "# " + _text(text)[1:-1].replace('\\"', '"')


def _text(text: str) -> str:
    # JSON's escapes are TOML's as well; TOML wants one more character escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
