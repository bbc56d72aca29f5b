"""How far a request for everything is."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from maskbus_client.errors import ProtocolError
from maskbus_client.masks import Mask
from maskbus_client.picture import Picture
from maskbus_client.scene import Scene
from maskbus_wire import replies


class Progress:
    """What has been found so far, and what has been found since the last time."""

    def __init__(self, reply: replies.Progress, show: Picture | None = None) -> None:
        self.done = reply.done
        """Points that have been decoded."""
        self.total = reply.total
        """Points in all."""
        self.found = reply.found
        """Candidates found so far, duplicates among them."""
        self.masks: list[Mask] = []
        """Candidates found since the last progress. The result may hold any of them or none."""
        if reply.masks:
            rle = reply.masks[0].rle
            if rle is None:
                raise ProtocolError("The masks of a progress have no rle.")
            height, width = rle.size
            found = replies.Masks(id=reply.id, model="", width=width, height=height, masks=reply.masks)
            scene = Scene(found, (), show, None)
            self.masks = [Mask(scene, i, mask) for i, mask in enumerate(reply.masks)]

    def __repr__(self) -> str:
        return f"<Progress: {self.done} of {self.total} points, {self.found} found>"


def listener(
    progress: Callable[[Progress], None] | None, show: Picture | None
) -> Callable[[replies.Progress], None] | None:
    """Return what is called with the wire's own messages. TypeError for what cannot be called, or not at once."""
    if progress is None:
        return None
    if not callable(progress) or inspect.iscoroutinefunction(progress):
        raise TypeError("progress must be a plain function of one argument.")
    return lambda reply: progress(Progress(reply, show))
