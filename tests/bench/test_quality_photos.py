"""Which mask is which photo's, and what is said of one that is none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from quality_photos import BadPhoto, Example, examples


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    return tmp_path


def put(folder: Path, path: str, pixels: np.ndarray | None = None) -> None:
    if pixels is None:
        pixels = np.zeros((6, 8), np.uint8)
        pixels[2:4, 3:6] = 255
    cv2.imwrite(str(folder / path), pixels)


def test_masks_are_found_by_the_name_of_the_photo(folder: Path) -> None:
    for path in ("images/dog.jpg", "images/dog_2.webp", "images/cat.png", "images/alone.jpg"):
        put(folder, path)
    for path in ("masks/dog_1.png", "masks/dog_2.png", "masks/dog#3.bmp", "masks/cat.bmp", "masks/cats.png"):
        put(folder, path)
    (folder / "masks" / "cat.txt").write_text("no mask")
    found = examples(folder, [], None)
    assert [(one.name, one.picture.name) for one in found] == [
        ("cat", "cat.png"),
        ("dog#3", "dog.jpg"),
        ("dog_1", "dog.jpg"),
        ("dog_2", "dog_2.webp"),
    ]
    assert [one.name for one in examples(folder, ["dog"], None)] == ["dog#3", "dog_1"]
    assert [one.name for one in examples(folder, [], 1)] == ["cat"]


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.full((6, 9), 255, np.uint8), "differ in size: 9 × 6 and 8 × 6"),
        (np.full((6, 8), 1, np.uint8), "has the value 1"),
        (np.full((6, 8), 128, np.uint8), "has no object"),
    ],
)
def test_a_mask_that_is_none(folder: Path, mask: np.ndarray, said: str) -> None:
    put(folder, "images/dog.png")
    put(folder, "masks/dog.png", mask)
    with pytest.raises(BadPhoto, match=said):
        examples(folder, [], None)[0].read()


def test_a_photo_that_is_none(folder: Path) -> None:
    (folder / "images" / "dog.jpg").write_bytes(b"bark")
    put(folder, "masks/dog.png")
    with pytest.raises(BadPhoto, match=r"dog\.jpg cannot be read"):
        examples(folder, [], None)[0].read()


def test_scaled_keeps_the_shape_and_the_values(folder: Path) -> None:
    truth = np.zeros((60, 80), np.uint8)
    truth[20:40, 20:60] = 255
    truth[20:22, 20:60] = 128
    put(folder, "images/dog.png", np.zeros((60, 80, 3), np.uint8))
    put(folder, "masks/dog.png", truth)
    photo = Example("dog", folder / "images/dog.png", folder / "masks/dog.png").read().scaled(1200)
    assert photo.bgr.shape == (30, 40, 3)
    assert set(np.unique(photo.truth)) == {0, 128, 255}
