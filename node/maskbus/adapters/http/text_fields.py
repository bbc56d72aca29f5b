"""Fields that come as text, in a form or in the query of an address, as those of a JSON body."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from maskbus.adapters.http.problems import Refused

_LISTS = frozenset({"points", "labels", "boxes"})
"""Fields that hold numbers: 320,240 is as good as [320, 240]."""
_WORDS = frozenset({"encoding", "encodings"})
"""Fields that hold names, with commas between them."""
_TEXTS = frozenset({"text", "negative_text"})
"""Fields that hold one text each time they are there."""
_ROUTE = "route"
"""Names with commas between them, or a JSON list or object."""
_OBJECTS = frozenset({_ROUTE, "post", "text_options", "settings", "options", "logits"})
"""Fields that hold JSON objects; post.smooth=2 is as good as post={"smooth": 2}."""

_NOT_JSON = (msgspec.DecodeError, RecursionError)


def plain_of(fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return what the fields say, names and texts, to be converted without strictness: numbers may still be text.

    Raises:
        Refused: for a field that is there twice and may not be, or is no JSON where it should be.
    """
    found: dict[str, Any] = {}
    texts: dict[str, list[str]] = {}
    for name, text in fields:
        whole, dot, part = name.partition(".")
        if dot and whole in _OBJECTS:
            table = found.setdefault(whole, {})
            if not isinstance(table, dict) or part in table:
                raise Refused("invalid_field", "The field is there twice.", name)
            found[whole] = {**table, part: _names(text) if name == "route.models" else _value(text)}
        elif name in _TEXTS:
            texts.setdefault(name, []).append(text)
        elif name in found:
            raise Refused("invalid_field", "The field is there twice.", name)
        elif name in _LISTS:
            found[name] = _rows(name, text)
        elif name == _ROUTE:
            found[name] = _json(name, text) if text.lstrip().startswith("{") else _names(text)
        elif name in _OBJECTS or (name == "mask" and text.lstrip().startswith("{")):
            found[name] = _json(name, text)
        elif name in _WORDS:
            found[name] = _words(text)
        else:
            found[name] = text
    for name, several in texts.items():
        found[name] = _json(name, several[0]) if several[0].lstrip().startswith("[") else several
    return found


def _json(name: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except _NOT_JSON:
        raise Refused("invalid_field", "The text is no JSON.", name) from None


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except _NOT_JSON:
        return text


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _names(text: str) -> Any:
    """Return the names of a JSON list, or with commas between them."""
    return _value(text) if text.lstrip().startswith("[") else _words(text)


def _rows(name: str, text: str) -> Any:
    try:
        found = msgspec.json.decode(text)
        if isinstance(found, list):
            return found
    except _NOT_JSON:
        pass
    return _json(name, f"[{text}]")
