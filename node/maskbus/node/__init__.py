"""The node itself: the bus loop and the broker behind it."""

from maskbus.node.bus import Bus, CannotBind

__all__ = ["Bus", "CannotBind"]
