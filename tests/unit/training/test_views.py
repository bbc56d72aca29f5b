"""What a training sees of a photo."""

from __future__ import annotations

import cv2
import numpy as np

from support import nano_training
from training.nano.photos import Photo
from training.nano.views import view

SIZE = 64
STAGE = nano_training.stage(SIZE)


def photo(number: int) -> Photo:
    """A white thing on black: its mask can be seen."""
    draw = np.random.default_rng(number)
    mask = np.zeros((90, 120), np.uint8)
    axes = int(draw.integers(12, 30)), int(draw.integers(12, 30))
    cv2.ellipse(mask, (int(draw.integers(30, 90)), int(draw.integers(30, 60))), axes, 30.0 * number, 0, 360, 255, -1)
    return Photo(f"photo{number}", np.repeat(mask[:, :, None], 3, 2), [mask])


def test_picture_and_mask_stay_aligned() -> None:
    photos = [photo(number) for number in range(4)]
    alike = []
    for step in range(60):
        seen = view(photos[step % 4], photos, STAGE, np.random.default_rng([1, step]), paste=0.0)
        assert seen.pixels.shape == (SIZE, SIZE, 3)
        assert seen.pixels.dtype == np.uint8
        assert seen.masks[0].shape == (SIZE // 2, SIZE // 2)
        assert 0 <= seen.masks[0].min() <= seen.masks[0].max() <= 1
        grey = cv2.resize(seen.pixels.mean(2), (SIZE // 2, SIZE // 2), interpolation=cv2.INTER_AREA)
        if 0.02 < seen.masks[0].mean() < 0.98:
            # Now and then a picture is turned into its negative.
            alike.append(abs(np.corrcoef(grey.ravel(), seen.masks[0].ravel())[0, 1]))
    assert len(alike) > 40
    assert min(alike) > 0.85
    assert np.mean(alike) > 0.97


def test_what_is_pasted_in_covers_what_was_there() -> None:
    photos = [photo(number) for number in range(4)]
    several = 0
    for step in range(40):
        seen = view(photos[step % 4], photos, STAGE, np.random.default_rng([2, step]), paste=1.0)
        if len(seen.masks) > 1:
            several += 1
            assert np.sum(seen.masks, axis=0).max() < 1.01
    assert several > 10


def test_the_same_draw_gives_the_same_view() -> None:
    photos = [photo(number) for number in range(4)]
    one, other = (view(photos[0], photos, STAGE, np.random.default_rng(5), paste=0.5) for _ in range(2))
    assert np.array_equal(one.pixels, other.pixels)
    assert all(np.array_equal(*pair) for pair in zip(one.masks, other.masks, strict=True))
