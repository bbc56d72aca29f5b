"""Names of streams, made of what cameras and files are called."""

from __future__ import annotations

import re
from collections.abc import Collection

from maskbus.cli.failure import CommandFailed

_NO_NAME = re.compile(r"[\s/:\x00-\x1f\x7f]+")
_MOST_CHARS = 100


def check(name: str) -> None:
    """Raise CommandFailed for what is no name of a stream."""
    if not name or _NO_NAME.search(name) or len(name) > _MOST_CHARS:
        raise CommandFailed(f'--name: a stream\'s name has no "/", no ":" and no white space, unlike {name!r}.')


def name_of(wanted: str | None, source: str, camera: str, taken: Collection[str]) -> str:
    """Return the name of a stream.

    Args:
        wanted: As the user says; None: nothing.
        source: What the source is called.
        camera: What its camera is called; empty where it has but one.
        taken: Names of others.
    """
    name = "-".join(filter(None, (wanted, camera))) if wanted or camera else source
    name = _NO_NAME.sub("-", name)[:_MOST_CHARS].strip("-") or "stream"
    if name not in taken:
        return name
    # Two cameras whose names differ only in what a name may not hold.
    return next(other for number in range(2, len(taken) + 3) if (other := f"{name}-{number}") not in taken)
