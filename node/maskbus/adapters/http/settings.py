"""What a gateway may take, and what it adds to requests that say nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from maskbus_wire.requests import EverythingOptions, PostProcessing

MIB = 1024 * 1024


@dataclass(frozen=True)
class Additions:
    """What is added to `/segment` where a request does not say: nothing, unless somebody wants it."""

    max_side: int = 0
    """As in a request."""
    post: PostProcessing | None = None
    """As in a request; a request's own takes its place as a whole."""
    everything: EverythingOptions = field(default_factory=EverythingOptions)
    """Settings of everything mode, each of them for requests that do not name it."""


@dataclass(frozen=True)
class Limits:
    """What keeps clients from taking more than there is. Bytes, and seconds."""

    body_bytes: int = 64 * MIB
    """Bytes of one body."""
    held_bytes: int = 512 * MIB
    """Bytes of all bodies under way."""
    requests: int = 256
    """Requests under way that need a model."""
    connections: int = 1024
    """Connections."""
    header_s: float = 10.0
    """Seconds for a request's head."""
    body_s: float = 30.0
    """Seconds for its body."""
    write_s: float = 30.0
    """Seconds that a client may read nothing of an answer."""
    idle_s: float = 15.0
    """Seconds that a connection stays open between two requests."""
    ask_s: float = 2.0
    """Seconds for the node to say how it is."""


@dataclass(frozen=True)
class Settings:
    """A gateway."""

    limits: Limits = Limits()
    additions: Additions = field(default_factory=Additions)
    allow_remote: bool = False
    """Whether names other than this machine's own are answered to."""
    links: int = 4
    """Connections to the node: a large image on one of them does not hold up what goes over the others."""
