"""The one line a node prints when it listens, for people and for programs that wait for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_PATTERN = re.compile(r"^maskbus (\S+) ready: (.+) \(topics (.+)\) models: (.+)$")
_NONE = "none"


@dataclass(frozen=True)
class ReadyLine:
    """What the line says."""

    version: str
    endpoints: Sequence[str]
    publish_endpoints: Sequence[str]
    models: Sequence[str]
    """Those that can run."""

    def __str__(self) -> str:
        topics = " ".join(self.publish_endpoints) or _NONE
        models = ", ".join(self.models) or _NONE
        return f"maskbus {self.version} ready: {' '.join(self.endpoints)} (topics {topics}) models: {models}"


def parse(line: str) -> ReadyLine | None:
    """Return what a line says; None if it is not a ready line."""
    found = _PATTERN.match(line.strip())
    if found is None:
        return None
    version, endpoints, topics, models = found.groups()
    return ReadyLine(
        version,
        endpoints.split(),
        [] if topics == _NONE else topics.split(),
        [] if models == _NONE else models.split(", "),
    )
