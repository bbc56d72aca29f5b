"""An image that the node keeps: its pixels cross once, prompts as often as wanted."""

from __future__ import annotations

from maskbus_client import image_input
from maskbus_client.errors import ProtocolError
from maskbus_client.image_input import PreparedImage, kept
from maskbus_client.picture import weakly
from maskbus_wire import replies


class KeptImage:
    """Know the image's name at the node, and its pixels, should the node have lost them.

    The pixels are the handle's own copy: what the caller does to its array later does not matter.
    """

    def __init__(self, pixels: PreparedImage, model: str) -> None:
        self.pixels = pixels
        """What is sent when the node does not hold the image."""
        self.model = model
        """Name of the model the image was embedded for."""
        self.is_choosy = bool(model)
        """Whether the caller has named it."""
        self._image_id: str | None = None
        self._released = False

    @property
    def image_id(self) -> str:
        """Name of the image at the node; another one after the node lost it and got it again."""
        return self._image_id or ""

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width in pixels."""
        return self.pixels.size

    def held(self, reply: replies.Embedded) -> None:
        """Note what the node answered to `embed`."""
        if not reply.image_id:
            raise ProtocolError("The node embedded the image and did not say under which image_id.")
        self._image_id = reply.image_id
        self.model = reply.model
        self.pixels = self.pixels._replace(size=(reply.height, reply.width))

    def check_open(self) -> None:
        """Raise ValueError if the handle has been released."""
        if self._released:
            raise ValueError("This image has been released.")

    def reference(self) -> PreparedImage:
        """Return the image as it goes into a request: its name, no pixels."""
        show = weakly(self, lambda handle: image_input.show_raw(handle.pixels))
        return kept(self.image_id, self.size, show)

    def let_go(self) -> str | None:
        """Mark the handle as released; return the name to release at the node, None if that has been done."""
        if self._released:
            return None
        self._released = True
        return self._image_id
