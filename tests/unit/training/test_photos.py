"""Photos with masks, read from a folder."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from support import nano_training
from training.nano.photos import read


def test_photos_are_read_and_some_held_out(tmp_path: Path) -> None:
    made = nano_training.photos(12)
    train, held_out = read(nano_training.write(tmp_path / "d", made), held_out=4)
    assert {photo.key for photo in train} | {photo.key for photo in held_out} == {photo.key for photo in made}
    assert train
    assert held_out
    again = read(tmp_path / "d", held_out=4)
    assert [photo.key for photo in again[1]] == [photo.key for photo in held_out]
    by_key = {photo.key: photo for photo in made}
    for photo in (*train, *held_out):
        assert np.array_equal(photo.masks[0], by_key[photo.key].masks[0])
        # JPEG changes pixels a little, and swapped colours would change them much.
        assert np.abs(photo.pixels.astype(int) - by_key[photo.key].pixels).mean() < 12


def test_masks_that_do_not_fit_are_left_out(tmp_path: Path) -> None:
    folder = nano_training.write(tmp_path / "d", nano_training.photos(3))
    cv2.imwrite(str(folder / "masks" / "photo0_01.png"), np.full((5, 5), 255, np.uint8))
    cv2.imwrite(str(folder / "masks" / "photo0_02.png"), np.zeros((90, 120), np.uint8))
    cv2.imwrite(str(folder / "masks" / "nobody_00.png"), np.full((90, 120), 255, np.uint8))
    train, _ = read(folder, held_out=10**6)
    assert [(photo.key, len(photo.masks)) for photo in train] == [("photo0", 1), ("photo1", 1), ("photo2", 1)]


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no photos with masks"):
        read(tmp_path, held_out=4)
