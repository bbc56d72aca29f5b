"""Photos, a network and settings so small that a training takes a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from training.nano import generated
from training.nano.photos import Photo
from training.nano.settings import SETTINGS, Settings, Stage, read


def photos(count: int) -> list[Photo]:
    """Return photos of one object each, smaller than those of the tests' data."""
    made = []
    for number in range(count):
        pixels, mask = generated.picture(np.random.default_rng([77, number]))
        half = pixels[::2, ::2].copy(), np.where(mask[::2, ::2], 255, 0).astype(np.uint8)
        made.append(Photo(f"photo{number}", *half[:1], [half[1]]))
    return made


def write(folder: Path, made: list[Photo]) -> Path:
    """Write photos as a training reads them."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for photo in made:
        cv2.imwrite(str(folder / "images" / f"{photo.key}.jpg"), photo.pixels[:, :, ::-1])
        for number, mask in enumerate(photo.masks):
            cv2.imwrite(str(folder / "masks" / f"{photo.key}_{number:02}.png"), mask)
    return folder


def stage(size: int) -> Stage:
    """Return a stage of two steps."""
    return replace(read(SETTINGS).stages[0], size=size, steps=2, colours=0.3)


def settings() -> Settings:
    """Return the committed settings, but few steps with few small pictures."""
    return replace(
        read(SETTINGS),
        widths=(8, 8, 8, 8, 8),
        stages=(stage(32), stage(64)),
        photos=2,
        warm_steps=1,
        decay_steps=3,
        workers=1,
        compare_steps=2,
    )
