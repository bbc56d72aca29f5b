"""What the types cannot say of routes, post-processing and the choice of masks by text."""

from __future__ import annotations

from typing import Final

from maskbus_wire.errors import WireError
from maskbus_wire.image_checks import check_name
from maskbus_wire.limits import Limits
from maskbus_wire.prompts import Prompt
from maskbus_wire.requests import PostProcessing, Route, TextOptions

_MOST_MODELS = 16
_MOST_MASKS = 65_535
_MOST_PIXELS = 2**63 - 1
POST_RANGES: Final[dict[str, int]] = {
    "fill_holes": _MOST_PIXELS,
    "remove_islands": _MOST_PIXELS,
    "smooth": 64,
    "min_area": _MOST_PIXELS,
    "max_contours": _MOST_MASKS,
    "max_error": 64,
}
"""Step of post-processing → the most it may have; the least is 0."""


def check_route(route: Route | None, limits: Limits) -> None:
    """Check which models are to be tried. WireError with the path of the first field that is wrong."""
    if route is None:
        return
    if len(route.models) > _MOST_MODELS:
        raise WireError("too_large", f"{len(route.models)} models; the limit is {_MOST_MODELS}.", "route.models")
    for i, name in enumerate(route.models):
        check_name(name, f"route.models[{i}]", limits)
        if not name:
            raise WireError("invalid_value", "The name is empty.", f"route.models[{i}]")
        if name in route.models[:i]:
            raise WireError("invalid_value", f"The model {name} stands there twice.", f"route.models[{i}]")
    if route.min_predicted_iou is not None:
        _check_range(route.min_predicted_iou, 0, 1, "route.min_predicted_iou")
    if route.share is not None:
        _check_range(route.share, 0, 1, "route.share")
        if route.share == 0:
            raise WireError("invalid_value", "A share is more than 0.", "route.share")


def check_max_side(max_side: int) -> None:
    """Check to what size an image is brought. WireError where it makes no sense."""
    if max_side != 0:
        _check_range(max_side, 64, 32_767, "max_side")


def check_post(post: PostProcessing | None) -> None:
    """Check what is done to masks. WireError with the path of the first field that is wrong."""
    if post is None:
        return
    for name, most in POST_RANGES.items():
        _check_range(getattr(post, name), 0, most, f"post.{name}")


def check_text_options(options: TextOptions | None, prompt: Prompt | None) -> None:
    """Check how masks are chosen by text. WireError with the path of the first field that is wrong."""
    if options is None:
        return
    if prompt is not None and not prompt.text:
        raise WireError("invalid_value", "Options for texts go with a text.", "text_options")
    if options.threshold is not None:
        if options.select == "top":
            raise WireError("invalid_value", "The best few have no threshold.", "text_options.threshold")
        _check_range(options.threshold, -1 if options.select == "cosine" else 0, 1, "text_options.threshold")
    if options.top is not None:
        if options.select != "top":
            raise WireError("invalid_value", 'Only select = "top" says how many.', "text_options.top")
        _check_range(options.top, 1, _MOST_MASKS, "text_options.top")
    if options.margin is not None:
        _check_range(options.margin, 0, 4, "text_options.margin")


def _check_range(value: float, least: float, most: float, path: str) -> None:
    if not least <= value <= most:  # which NaN is not
        limit = f"is {least:g} to {most:g}" if most < _MOST_PIXELS else "is not negative, and below 2^63"
        raise WireError("invalid_value", f"{path.rpartition('.')[2]} {limit}.", path)
