"""What is known of the weights of one model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One file of weights: where it is published, and how it is known."""

    name: str
    """The model, as a node offers it."""
    title: str
    family: str
    file: str
    """Its name in the weights directory: the one it is published under."""
    urls: tuple[str, ...]
    """Where it is published: the authors' own address first, then mirrors of the same bytes."""
    size: int | None
    """Bytes; None: not known."""
    sha256: str | None
    """Lower-case hex; None: unverified upstream, so the digest of the first file is pinned (`Place.pin`)."""
    licence: str
    """SPDX expression of the weights."""
    citation: str
    homepage: str
    confirmed: tuple[str, ...] = ()
    """Where size and digest were read: public projects and pages that do not depend on each other."""
