"""Where model weights come from, and whether they are what they should be.

Nothing here opens a connection but `pull`, which runs only when the user asks for it.
"""

from maskbus.weights.entry import Entry
from maskbus.weights.errors import WeightsError
from maskbus.weights.manifest import ENTRIES
from maskbus.weights.use import Weights, availability, resolve

__all__ = ["ENTRIES", "Entry", "Weights", "WeightsError", "availability", "resolve"]
