"""How photos of all shapes lie in what the network looks at."""

from __future__ import annotations

import numpy as np
import pytest

from maskbus.handlers.fastsam_letterbox import Letterbox


def test_a_photo_lies_in_the_middle_with_grey_around_it() -> None:
    frame = Letterbox(100, 200, 1024, 1024)
    assert frame.scaled == (512, 1024)
    assert frame.corner == (256, 0)
    photo = np.zeros((100, 200, 3), np.uint8)
    photo[:, :, 0] = 255
    pixels = frame.pixels(photo)
    assert pixels.shape == (1, 3, 1024, 1024)
    assert pixels.dtype == np.float32
    assert np.unique(pixels[0, :, 256:768].reshape(3, -1), axis=1).tolist() == [[1], [0], [0]]
    for grey in (pixels[0, :, :256], pixels[0, :, 768:]):
        assert np.unique(grey) == pytest.approx([114 / 255])


def test_of_an_odd_rest_the_greater_half_comes_last() -> None:
    assert Letterbox(667, 1000, 1024, 1024).scaled == (683, 1024)
    assert Letterbox(667, 1000, 1024, 1024).corner == (170, 0)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (1080, 1920, (576, 1024)),
        (1920, 1080, (1024, 576)),
        (480, 640, (768, 1024)),
        (667, 1000, (704, 1024)),
        (1, 1, (1024, 1024)),
        (1, 4000, (32, 1024)),
    ],
)
def test_no_more_than_a_photo_needs(height: int, width: int, expected: tuple[int, int]) -> None:
    frame = Letterbox.around(height, width, 1024)
    assert (frame.input_height, frame.input_width) == expected


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 4000), (4000, 1), (33, 47), (2160, 3840)])
def test_boxes_come_back_to_the_photo(height: int, width: int) -> None:
    for frame in (Letterbox(height, width, 1024, 1024), Letterbox.around(height, width, 640)):
        assert frame.pixels(np.zeros((height, width, 3), np.uint8)).shape[2:] == (frame.input_height, frame.input_width)
        (rows, columns), (top, left) = frame.scaled, frame.corner
        whole = np.array([[left, top, left + columns, top + rows], [-9, -9, 9999, 9999]], np.float32)
        for box in frame.boxes(whole):
            assert box == pytest.approx([0, 0, width, height], rel=1e-5)
        middle = left + columns / 4, top + rows / 4, left + columns / 2, top + rows / 2
        (box,) = frame.boxes(np.array([middle], np.float32))
        assert box == pytest.approx([width / 4, height / 4, width / 2, height / 2], rel=1e-4)
