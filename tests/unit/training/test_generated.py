"""The pictures that the network is asked about in tests."""

from __future__ import annotations

import json

import cv2
import numpy as np

from training.nano import generated


def test_the_committed_set_is_whole_and_small() -> None:
    files = sorted(generated.FOLDER.iterdir())
    assert sum(path.stat().st_size for path in files) < 200_000
    prompts = json.loads((generated.FOLDER / "prompts.json").read_text())
    assert len(prompts) == generated.PICTURES
    for one in prompts:
        pixels = cv2.imread(str(generated.FOLDER / f"{one['name']}.jpg"))
        mask = cv2.imread(str(generated.FOLDER / f"{one['name']}.png"), cv2.IMREAD_GRAYSCALE)
        assert pixels is not None
        assert mask is not None
        assert pixels.shape[:2] == mask.shape == (generated.HEIGHT, generated.WIDTH)
        assert set(np.unique(mask)) == {0, 255}
        x, y = one["click"]
        assert mask[y, x] == 255
        x0, y0, x1, y1 = one["box"]
        assert mask[y0 : y1 + 1, x0 : x1 + 1].sum() == mask.sum()


def test_a_seed_makes_the_same_picture() -> None:
    one, other = (generated.picture(np.random.default_rng([1, 2])) for _ in range(2))
    assert np.array_equal(one[0], other[0])
    assert np.array_equal(one[1], other[1])
    assert one[1].any()
    assert not np.array_equal(one[0], generated.picture(np.random.default_rng([1, 3]))[0])
