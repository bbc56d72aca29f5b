"""Images the node keeps under an `image_id`, so that later requests need not send them."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass

from maskbus.engine.arena import Slot

_REMEMBERED = 65_536
"""Names of images that had to go: some ten megabytes. Older ones are as if they had never been."""


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
    digest: bytes = b""
    """Of its bytes and layout; empty where nobody has needed it."""
    used: float = 0.0
    """When it was used last, monotonic seconds."""


class ImageStore:
    """Keep images up to a number of bytes and an age; the least recently used goes first.

    An image that a job still looks at keeps its slot until that job is over, whatever happens here. The names of those
    that had to go are remembered, so that their clients can be told so.
    """

    def __init__(self, capacity: int, ttl_s: float = 0.0) -> None:
        """Begin empty.

        Args:
            capacity: Bytes of all images together.
            ttl_s: Seconds after which an image that nobody has used goes; 0: never.
        """
        self._capacity = capacity
        self._ttl_s = ttl_s
        self._images: OrderedDict[str, KeptImage] = OrderedDict()
        self._expired: OrderedDict[str, None] = OrderedDict()
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._images)

    def get(self, image_id: str, now: float) -> KeptImage | None:
        """Return an image, and count it as used at `now` (monotonic seconds)."""
        self.tick(now)
        image = self._images.get(image_id)
        if image is not None:
            image.used = now
            self._images.move_to_end(image_id)
        return image

    def put(self, image: KeptImage, now: float) -> None:
        """Keep an image; the store retains its slot."""
        image.slot.retain()
        image.used = now
        self._images[image.image_id] = image
        self.nbytes += image.slot.size
        while self.nbytes > self._capacity and len(self._images) > 1:
            self.evict_oldest()

    def release(self, image_id: str) -> bool:
        """Let go of an image at its client's wish; tell whether it was here."""
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
        image_id = next(iter(self._images))
        self._expired[image_id] = None
        if len(self._expired) > _REMEMBERED:
            self._expired.popitem(last=False)
        return self.release(image_id)

    def has_expired(self, image_id: str) -> bool:
        """Tell whether an image was here and had to go, for want of room or for its age."""
        return image_id in self._expired

    def tick(self, now: float) -> None:
        """Let go of images that have not been used for too long."""
        while (due := self.next_event()) is not None and due <= now:
            self.evict_oldest()

    def next_event(self) -> float | None:
        """Return when `tick` is due next, monotonic seconds."""
        if not self._ttl_s or not self._images:
            return None
        return next(iter(self._images.values())).used + self._ttl_s


def new_image_id() -> str:
    """Return a fresh name that nobody can guess."""
    return secrets.token_hex(16)
