"""Presets: a place to start from."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from maskbus.everything import PRESETS, preset
from maskbus.interfaces import EverythingSettings
from maskbus_wire import grid
from maskbus_wire.everything_checks import RANGES
from maskbus_wire.requests import EverythingOptions


def test_default_is_the_models_own() -> None:
    own = EverythingSettings(points_per_side=7, stability_score_offset=0.3)
    assert preset("default", own) == own
    assert preset("default") == EverythingSettings()


def test_dense_finds_what_is_small_without_crops() -> None:
    own = EverythingSettings(crop_n_layers=2, stability_score_offset=0.3, points_per_batch=9)
    assert preset("dense", own) == replace(
        own,
        points_per_side=64,
        crop_n_layers=0,
        pred_iou_thresh=0.85,
        stability_score_thresh=0.90,
        min_mask_region_area=500,
        box_nms_thresh=0.7,
    )


def test_fast_looks_at_a_quarter_of_the_points() -> None:
    assert preset("fast") == EverythingSettings(points_per_side=16, stability_score_thresh=0.92)


def test_what_there_is_not_is_said() -> None:
    with pytest.raises(ValueError, match="no preset 'thorough': there are default, dense, fast"):
        preset("thorough")


def test_the_wire_knows_the_same_presets_and_settings() -> None:
    assert {name: preset(name).points_per_side for name in PRESETS} == grid.POINTS_PER_SIDE
    assert set(EverythingOptions.__struct_fields__) == {field.name for field in fields(EverythingSettings)}
    for name in PRESETS:
        settings = preset(name)
        assert all(least <= getattr(settings, key) <= most for key, (least, most) in RANGES.items())
