"""Everything mode: a grid of points, filters, and no mask twice."""

from maskbus.everything.presets import PRESETS, preset
from maskbus.everything.search import search

__all__ = ["PRESETS", "preset", "search"]
