"""What a field of a body may be where it is one of a few words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import inspect

_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")


def of(kind: type, path: str) -> list[str]:
    """Return the words that the field at `path`, such as `encodings[0]`, is one of; none where it is no such field."""
    found: list[inspect.Type] = [inspect.type_info(kind)]
    for step in _STEP.findall(path):
        found = [inner for one in found for inner in _inside(one, step)]
    words = [
        word for one in found for part in _parts(one) if isinstance(part, inspect.LiteralType) for word in part.values
    ]
    return list(dict.fromkeys(map(str, words)))


def _inside(kind: inspect.Type, step: str) -> Iterator[inspect.Type]:
    for part in _parts(kind):
        if isinstance(part, inspect.StructType):
            yield from (field.type for field in part.fields if field.encode_name == step)
        elif isinstance(part, inspect.ListType) and step.startswith("["):
            yield part.item_type


def _parts(kind: inspect.Type) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.UnionType):
        yield from kind.types
    else:
        yield kind
