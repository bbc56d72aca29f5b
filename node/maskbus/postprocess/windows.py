"""One mask, cut to its box: what is done to it costs what its box does, not what the image does."""

from __future__ import annotations

from maskbus.postprocess.parts import BoolArray, without_holes, without_islands
from maskbus.postprocess.smoothing import smoothed
from maskbus_wire import geometry
from maskbus_wire.geometry import Window
from maskbus_wire.requests import PostProcessing


def processed(window: Window, height: int, width: int, post: PostProcessing) -> Window:
    """Return a mask of an image of `height` × `width` pixels as `post` wants it, cut to its new box.

    Holes are filled, islands removed, the outline is smoothed; and as smoothing may cut a mask in two where it is thin,
    or close a bay off, what is small then goes as well. A mask that has pixels keeps some. Nothing is added outside of
    its box.
    """
    (x, y, w, h), mask = window
    if not w:
        return window
    changed = _cleaned(mask, post)
    if post.smooth > 0:
        cut = (x == 0, y == 0, x + w == width, y + h == height)
        changed = _cleaned(smoothed(changed, post.smooth, cut), post)
    if changed is mask:
        return window
    (left, top, w, h), changed = geometry.window(changed)
    return (x + left, y + top, w, h), changed


def _cleaned(mask: BoolArray, post: PostProcessing) -> BoolArray:
    if post.fill_holes > 1:
        mask = without_holes(mask, post.fill_holes)
    if post.remove_islands > 1:
        mask = without_islands(mask, post.remove_islands)
    return mask
