"""A scene as a video file, with its truth beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from maskbus.simulator.scene import Scene


class ClipFailed(Exception):
    """Say in one sentence why no video could be written."""


def truth_of(video: Path) -> Path:
    """Return the directory of a clip's truth."""
    return video.with_name(f"{video.stem}-truth")


def write(
    video: Path, scene: Scene, rate: float, count: int, *, seed: int, tell: Callable[[int], None] = lambda done: None
) -> None:
    """Write `count` frames as an MPEG-4 file, and beside it a directory with what is to be seen in them.

    In there are `00000.png` and so on, whose palette's entries are the objects' numbers (0 is background), and
    `clip.json`: rate, size and seed, what each object is, and a point in each one that is seen in frame 0.

    Args:
        video: The file, `NAME.mp4`; the directory is `NAME-truth`. What is there is overwritten.
        scene: What is filmed.
        rate: Frames a second.
        count: How many.
        seed: The scene's, to be written down.
        tell: Called with the number of frames that are written.

    Raises:
        ClipFailed: if OpenCV cannot write it.
        OSError: if a file of the truth cannot be written.
    """
    import cv2
    from PIL import Image

    from maskbus_wire import overlay

    beside = truth_of(video)
    beside.mkdir(exist_ok=True)
    palette = np.zeros((256, 3), np.uint8)
    palette[1:] = overlay.palette(255)
    first = scene.view(0.0)
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"mp4v"), rate, (scene.width, scene.height))
    try:
        if not writer.isOpened():
            raise ClipFailed(f"OpenCV cannot write {video} here.")
        for number in range(count):
            view = scene.view(number / rate)
            writer.write(cv2.cvtColor(view.rgb, cv2.COLOR_RGB2BGR))
            labels = Image.fromarray(view.labels)
            labels.putpalette(palette.tobytes())
            labels.save(beside / f"{number:05}.png", compress_level=1)
            tell(number + 1)
    finally:
        writer.release()
    points = {number: first.inside(number) for number in scene.object_ids}
    plain = {
        "fps": rate,
        "frames": count,
        "width": scene.width,
        "height": scene.height,
        "seed": seed,
        "objects": [{"object_id": number, "kind": scene.kind(number), "point": points[number]} for number in points],
    }
    (beside / "clip.json").write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
