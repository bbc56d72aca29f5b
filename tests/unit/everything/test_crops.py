"""Parts of an image and their points."""

from __future__ import annotations

import numpy as np
import pytest

from maskbus.everything.crops import Crop, crops, is_cut_off, points
from maskbus.interfaces import EverythingSettings


def test_a_layer_has_four_overlapping_crops_column_by_column() -> None:
    # Worked by hand: they overlap by int(512 / 1500 * 900) = 307, and are ceil((307 + 1200) / 2) = 754 wide.
    found = crops(900, 1200, EverythingSettings(crop_n_layers=1))
    assert [crop.layer for crop in found] == [0, 1, 1, 1, 1]
    assert [crop.box for crop in found] == [
        (0, 0, 1200, 900),
        (0, 0, 754, 604),
        (0, 297, 754, 603),
        (447, 0, 753, 604),
        (447, 297, 753, 603),
    ]


@pytest.mark.parametrize("size", [(1, 1), (1, 8000), (2, 3), (7, 5), (333, 1001), (4000, 3000)])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("ratio", [0.0, 512 / 1500, 0.9])
def test_crops_lie_inside_and_cover_the_image(size: tuple[int, int], layers: int, ratio: float) -> None:
    height, width = size
    found = crops(height, width, EverythingSettings(crop_n_layers=layers, crop_overlap_ratio=ratio))
    for layer in range(1, layers + 1):
        of_layer = [crop for crop in found if crop.layer == layer]
        assert 0 < len(of_layer) <= 4**layer
        rows, columns = np.zeros(height, bool), np.zeros(width, bool)
        for crop in of_layer:
            assert 0 <= crop.x < crop.x + crop.width <= width
            assert 0 <= crop.y < crop.y + crop.height <= height
            rows[crop.y : crop.y + crop.height] = True
            columns[crop.x : crop.x + crop.width] = True
        assert rows.all()
        assert columns.all()


def test_points_are_the_centres_of_equal_cells_row_by_row() -> None:
    grid = points(Crop(50, 60, 40, 20), EverythingSettings(points_per_side=2))
    assert grid.tolist() == [[10, 5], [30, 5], [10, 15], [30, 15]]


@pytest.mark.parametrize(("layer", "side"), [(0, 32), (1, 10), (2, 3), (3, 1), (4, 1)])
def test_deeper_layers_have_fewer_points_but_one_at_least(layer: int, side: int) -> None:
    settings = EverythingSettings(points_per_side=32, crop_n_points_downscale_factor=3)
    assert len(points(Crop(0, 0, 9, 9, layer), settings)) == side**2


@pytest.mark.parametrize(
    ("bbox", "cut_off"),
    [
        ((130, 130, 40, 40), False),
        ((119, 130, 40, 40), True),  # its left side is near the crop's
        ((120, 130, 40, 40), True),
        ((121, 130, 40, 40), False),
        ((130, 130, 40, 51), True),  # its last row is 180, 20 from the crop's end
        ((130, 130, 40, 50), False),
    ],
)
def test_a_mask_near_an_edge_inside_the_image_is_cut_off(bbox: tuple[int, int, int, int], cut_off: bool) -> None:
    assert is_cut_off(bbox, Crop(100, 100, 100, 100), 500, 500) is cut_off


def test_the_edge_of_the_image_cuts_nothing_off() -> None:
    assert not is_cut_off((0, 0, 500, 500), Crop(0, 0, 500, 500), 500, 500)
    assert not is_cut_off((0, 30, 50, 50), Crop(0, 0, 100, 100), 500, 500)
    assert is_cut_off((0, 30, 90, 50), Crop(0, 0, 100, 100), 500, 500)
    # A crop's edge that is itself near the image's.
    assert not is_cut_off((15, 30, 50, 50), Crop(10, 0, 100, 100), 500, 500)
