"""Real videos, where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).parents[2].parent / "shared" / "data"
_DATA = Path(os.environ.get("MASKBUS_TEST_DATA", _BESIDE))
VIDEOS = _DATA / "davis"


def demo(name: str) -> Path:
    """Return the file of a demonstration video, or skip the test."""
    path = _DATA / "demos" / name
    if not path.exists():
        pytest.skip("The demonstration videos are not here; MASKBUS_TEST_DATA names the folder that holds `demos`.")
    return path


def frames(video: str, count: int, into: Path) -> Path:
    """Link the first `count` frames of a video into a folder of their own, or skip the test."""
    source = VIDEOS / "JPEGImages" / video
    if not source.is_dir():
        pytest.skip("The DAVIS videos are not here; MASKBUS_TEST_DATA names the folder that holds `davis`.")
    for number in range(count):
        name = f"{number:05d}.jpg"
        (into / name).symlink_to((source / name).resolve())
    return into


def annotation(video: str, number: int) -> Path:
    """Return the file of a frame's true mask, white on black."""
    return VIDEOS / "Annotations" / video / f"{number:05d}.png"
