"""Settings with names: a place to start from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from maskbus.interfaces.everything import DEFAULT_EVERYTHING, EverythingSettings

PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    # Four times as many points find what is small. Crops would find it too, but cut large objects into parts. A little
    # less stability is asked for, since few pixels make an unsteady score; the crumbs that this lets in are cleared
    # away by their size.
    "dense": {
        "points_per_side": 64,
        "crop_n_layers": 0,
        "pred_iou_thresh": 0.85,
        "stability_score_thresh": 0.90,
        "min_mask_region_area": 500,
        "box_nms_thresh": 0.7,
    },
    "fast": {"points_per_side": 16, "crop_n_layers": 0, "stability_score_thresh": 0.92},
}
"""Preset → the settings in which it differs from the model's own."""


def preset(name: str, default: EverythingSettings = DEFAULT_EVERYTHING) -> EverythingSettings:
    """Return the settings of a preset.

    Args:
        name: One of `PRESETS`.
        default: The model's own settings (`ModelInfo.everything`), for all that the preset does not name.

    Raises:
        ValueError: if there is no such preset.
    """
    if name not in PRESETS:
        raise ValueError(f"There is no preset {name!r}: there are {', '.join(PRESETS)}.")
    return replace(default, **PRESETS[name])
