"""What is done to masks before they are answered. It needs numpy and OpenCV alone."""

from maskbus.postprocess.masks import answered, found

__all__ = ["answered", "found"]
