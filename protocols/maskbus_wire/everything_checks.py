"""What the types cannot say of a request for everything."""

from __future__ import annotations

from typing import Final

from maskbus_wire import grid
from maskbus_wire.errors import WireError
from maskbus_wire.limits import Limits
from maskbus_wire.requests import Everything

_BIG: Final = 2**63 - 1
RANGES: Final[dict[str, tuple[float, float]]] = {
    "points_per_side": (1, 256),
    "points_per_batch": (0, 4096),
    "pred_iou_thresh": (0, 1),
    "stability_score_thresh": (0, 1),
    "stability_score_offset": (0, 100),
    "box_nms_thresh": (0, 1),
    "crop_n_layers": (0, 4),
    "crop_nms_thresh": (0, 1),
    "crop_overlap_ratio": (0, 1),
    "crop_n_points_downscale_factor": (1, 16),
    "min_mask_region_area": (0, _BIG),
    "min_area": (0, _BIG),
    "max_masks": (0, 65_535),
}
"""Setting → the least and the most it may be."""


def check(request: Everything, limits: Limits) -> None:
    """Check what only requests for everything have.

    Raises:
        WireError: with the path of the first field that is wrong.
    """
    if request.preset not in grid.POINTS_PER_SIDE:
        presets = ", ".join(grid.POINTS_PER_SIDE)
        raise WireError("invalid_value", f"There is no preset {request.preset[:64]!r}; there are {presets}.", "preset")
    if "logits" in request.encodings:
        index = request.encodings.index("logits")
        raise WireError("unknown_encoding", "Everything mode answers no logits.", f"encodings[{index}]")
    settings = request.settings
    for name, (least, most) in RANGES.items():
        value = getattr(settings, name)
        if value is not None and not least <= value <= most:  # which NaN is not
            limit = f"is {least} to {most}" if most < _BIG else "is not negative, and below 2^63"
            raise WireError("invalid_value", f"{name} {limit}.", f"settings.{name}")
    if settings.stability_score_offset == 0:
        raise WireError("invalid_value", "The offset is more than 0.", "settings.stability_score_offset")
    if settings.crop_overlap_ratio == 1:
        raise WireError("invalid_value", "Crops overlap by less than the whole.", "settings.crop_overlap_ratio")
    points = grid.count(
        settings.points_per_side or grid.POINTS_PER_SIDE[request.preset],
        settings.crop_n_layers or 0,
        settings.crop_n_points_downscale_factor or 1,
    )
    if points > limits.grid_points:
        raise WireError("too_large", f"{points} points in all; the limit is {limits.grid_points}.", "settings")
