"""Caps that are checked before anything is allocated or decoded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Hold what a receiver is willing to look at. The defaults are the ones SPEC.md names."""

    frame_bytes: int = 128 * 1024 * 1024
    """Bytes of one frame. The transport drops a peer that sends more."""
    attachments: int = 64
    """Attachments in one message."""
    header_objects: int = 50_000
    """Values in a header: the map itself, each key, element and nested container."""
    header_depth: int = 12
    """Maps and arrays inside one another in a header; the header itself is the first."""
    control_bytes: int = 256 * 1024
    """Bytes of a request without image, mask data and logits: its prompt and options above all."""
    pixels: int = 64_000_000
    """Pixels of one image."""
    side: int = 32_767
    """Pixels of one side of an image."""
    points: int = 1_000
    """Points in one prompt."""
    boxes: int = 256
    """Boxes in one prompt."""
    texts: int = 64
    """Texts in one prompt; as many negative ones."""
    text_chars: int = 1_000
    """Characters of one text."""
    grid_points: int = 262_144
    """Points of everything mode, all layers of crops together."""
    name_chars: int = 256
    """Characters of an id, a name, a topic, a frame_id, a stream."""
    deadline_ms: int = 3_600_000
    """The longest deadline, in milliseconds."""


DEFAULT_LIMITS = Limits()
