"""The one line a gateway prints when it listens, for people and for programs that wait for it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PATTERN = re.compile(r"^maskbus (\S+) http ready: (\S+) \(node (.+)\)$")


@dataclass(frozen=True)
class HttpLine:
    """What the line says."""

    version: str
    url: str
    """Where it listens."""
    endpoint: str
    """The node that it asks."""

    def __str__(self) -> str:
        return f"maskbus {self.version} http ready: {self.url} (node {self.endpoint})"


def parse(line: str) -> HttpLine | None:
    """Return what a line says; None if it is not of a gateway."""
    found = _PATTERN.match(line.strip())
    return HttpLine(*found.groups()) if found else None
