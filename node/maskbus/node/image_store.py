"""Images the node keeps under an `image_id`, so that later requests need not send them."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass

from maskbus.engine.arena import Slot


@dataclass(eq=False)
class KeptImage:
    """One image in shared memory."""

    image_id: str
    slot: Slot
    nbytes: int
    encoding: str
    width: int
    height: int
    step: int
    workers: dict[str, int]
    """Model → number of the worker that holds its embedding."""


class ImageStore:
    """Keep images up to a number of bytes; the least recently used goes first.

    An image that a job still looks at keeps its slot until that job is over, whatever happens here.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._images: OrderedDict[str, KeptImage] = OrderedDict()
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._images)

    def get(self, image_id: str) -> KeptImage | None:
        """Return an image, and count it as used."""
        image = self._images.get(image_id)
        if image is not None:
            self._images.move_to_end(image_id)
        return image

    def put(self, image: KeptImage) -> None:
        """Keep an image; the store retains its slot."""
        image.slot.retain()
        self._images[image.image_id] = image
        self.nbytes += image.slot.size
        while self.nbytes > self._capacity and len(self._images) > 1:
            self.evict_oldest()

    def release(self, image_id: str) -> bool:
        """Let go of an image; tell whether it was here."""
        image = self._images.pop(image_id, None)
        if image is None:
            return False
        self.nbytes -= image.slot.size
        image.slot.release()
        return True

    def evict_oldest(self) -> bool:
        """Let go of the image that was not used for longest; tell whether there was one."""
        if not self._images:
            return False
        return self.release(next(iter(self._images)))


def new_image_id() -> str:
    """Return a fresh name that nobody can guess."""
    return secrets.token_hex(16)
