"""The maskbus node: promptable segmentation on a ZeroMQ message bus."""

__version__ = "0.1.0"
