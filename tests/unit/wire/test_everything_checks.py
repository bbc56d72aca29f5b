import math

import pytest

from maskbus_wire import grid
from maskbus_wire.checks import check_request
from maskbus_wire.errors import WireError
from maskbus_wire.everything_checks import RANGES
from maskbus_wire.limits import DEFAULT_LIMITS, Limits
from maskbus_wire.prompts import Image
from maskbus_wire.requests import Everything, EverythingOptions

HELD = Image(image_id="a")


def ask(limits=DEFAULT_LIMITS, **fields):
    check_request(Everything(image=HELD, **fields), 0, limits)


def refused(limits=DEFAULT_LIMITS, **fields):
    with pytest.raises(WireError) as caught:
        ask(limits, **fields)
    return caught.value.code, caught.value.path


def settings(**fields):
    return {"settings": EverythingOptions(**fields)}


@pytest.mark.parametrize("preset", grid.POINTS_PER_SIDE)
def test_presets_pass(preset):
    ask(preset=preset)


@pytest.mark.parametrize("preset", ["", "Dense", "slow", "x" * 10_000])
def test_other_presets_do_not(preset):
    assert refused(preset=preset) == ("invalid_value", "preset")


@pytest.mark.parametrize("name", RANGES)
def test_each_setting_has_its_range(name):
    least, most = RANGES[name]
    low = math.nextafter(least, math.inf) if name == "stability_score_offset" else least
    high = math.nextafter(most, 0) if name == "crop_overlap_ratio" else most
    fewer = {} if name == "points_per_side" else {"points_per_side": 1}
    for value in (low, high):
        ask(**settings(**fewer, **{name: value}))
    for value in (math.nextafter(least, -1), most + 1, math.nan, math.inf, -math.inf):
        assert refused(**settings(**{name: value})) == ("invalid_value", f"settings.{name}")


def test_ends_that_do_not_belong_to_the_range():
    assert refused(**settings(stability_score_offset=0.0)) == ("invalid_value", "settings.stability_score_offset")
    assert refused(**settings(crop_overlap_ratio=1.0)) == ("invalid_value", "settings.crop_overlap_ratio")


def test_points_of_a_grid():
    assert grid.count(32) == 1024
    assert grid.count(32, 1) == 5 * 1024
    assert grid.count(32, 2, 2) == 1024 + 4 * 256 + 16 * 64
    # A side has a point at least, so deep layers are never free.
    assert grid.count(8, 2, 16) == 64 + 4 + 16


def test_points_in_all_are_limited():
    ask(**settings(points_per_side=256))
    ask(**settings(points_per_side=256, crop_n_layers=3, crop_n_points_downscale_factor=2))
    assert refused(**settings(points_per_side=256, crop_n_layers=1)) == ("too_large", "settings")
    assert refused(preset="dense", **settings(crop_n_layers=4)) == ("too_large", "settings")
    few = Limits(grid_points=1024)
    ask(few)
    ask(few, preset="fast")
    assert refused(few, preset="dense") == ("too_large", "settings")


def test_it_answers_no_logits():
    ask(encodings=["rle", "labels", "overlay"])
    assert refused(encodings=["rle", "logits"]) == ("unknown_encoding", "encodings[1]")


def test_what_it_shares_with_segment_is_checked_as_well():
    assert refused(publish="") == ("invalid_value", "publish")
    assert refused(publish="a:b") == ("invalid_value", "publish")
    assert refused(publish="x" * 257) == ("too_large", "publish")
    assert refused(encodings=["rle", "rle"]) == ("invalid_value", "encodings")
    assert refused(deadline_ms=0) == ("invalid_value", "deadline_ms")
