"""An image in a slot of shared memory: an array to write to, then a message of a few bytes."""

from __future__ import annotations

import threading
import time
import weakref
import zlib
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from maskbus_client import picture
from maskbus_client.errors import NoFreeSlot
from maskbus_client.image_input import ImageSource, PreparedImage
from maskbus_client.lease import Lease
from maskbus_wire import prompts, raw_image
from maskbus_wire.shared_layout import ENCODINGS, HAS_CHECKSUM, Entry

if TYPE_CHECKING:
    from maskbus_client.shared_memory import Memory

T = TypeVar("T")


class SharedImage(ImageSource):
    """Hold a slot, and write to it or have it read.

    A new image is writable. The first `segment` closes it: `array` is read-only from then on, and any number of
    requests may name it. `edit` opens it again. The slot is given back by `release`, at the end of a `with`, or when
    neither the image nor its array is referred to any more.
    """

    def __init__(
        self, memory: Memory, lease: Lease, index: int, shape: tuple[int, int], encoding: str, *, checksum: bool
    ) -> None:
        """Use a slot that has been taken.

        Args:
            memory: What leases other slots when the node has lost these.
            lease: Where the slot is.
            index: The slot, writing.
            shape: Height and width.
            encoding: Of a raw image.
            checksum: Whether the node is told the CRC-32 of the pixels, to compare.
        """
        height, width = shape
        nbytes = raw_image.required_bytes(width, height, 0, encoding)
        anchor = lease.mapping.data(index, nbytes)
        self._give_back = weakref.finalize(anchor, lease.give_back, index)
        self._give_back.atexit = False
        self._array = raw_image.view(anchor.data, width, height, 0, encoding)
        self.memory = memory
        self._lease = lease
        self._index = index
        self._checksum = checksum
        show = picture.weakly(self, lambda image: image.show())
        fields = prompts.Image(attachment=0, encoding=encoding, width=width, height=height)
        self._prepared = PreparedImage(fields, [anchor.data], shape, show, borrowed=True)
        self._slot: prompts.Slot | None = None
        self._requests = 0
        self._released = False
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        state = "released" if self._released else "writable" if self._slot is None else "read-only"
        fields = self._prepared.image
        return f"<SharedImage {fields.width}×{fields.height} {fields.encoding} ({state})>"

    def __enter__(self) -> SharedImage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @property
    def array(self) -> NDArray[np.uint8]:
        """The pixels where they lie, uint8 (H, W, C), or (H, W) for mono8. ValueError if it has been released."""
        self._check()
        return self._array

    def edit(self, timeout: float | None = None) -> NDArray[np.uint8]:
        """Make the image writable again, once no request reads it, and return `array`.

        Args:
            timeout: Seconds to wait for that; left out: none.

        Raises:
            NoFreeSlot: if it is still being read then.
            ValueError: if it has been released.
        """
        return wait(timeout, self._try_edit)

    def release(self) -> None:
        """Give the slot back, as soon as no request needs it. Arrays of it must not be used any more."""
        with self._lock:
            self._released = True
            self._array.flags.writeable = False
            if not self._requests:
                self._give_back()

    def prepare(self) -> PreparedImage:
        """Return the image as it would be sent without shared memory. ValueError if it has been released."""
        self._check()
        return self._prepared

    def lend(self, stamp: int | None) -> tuple[Lease, prompts.Slot | None]:
        """Return where the image lies, for one more request, which must call `done`; it cannot be written to then.

        There is no slot where the node would not find it.
        """
        with self._lock:
            self._check()
            self._array.flags.writeable = False
            lease = self._lease
            if lease.lost or lease.mapping.inherited:
                self._requests += 1
                return lease, None
            if self._slot is None:
                self._slot = self._publish(stamp)
            self._requests += 1
            return lease, self._slot

    def done(self) -> None:
        """Say that a request is over."""
        with self._lock:
            self._requests -= 1
            if self._released and not self._requests:
                self._give_back()

    def show(self) -> NDArray[np.uint8] | None:
        """Return the image as RGB uint8 (H, W, 3), None if it has been released."""
        if self._released:
            return None
        return picture.from_array(self._array, "bgr" if (self._prepared.image.encoding or "")[0] == "b" else "rgb")

    def _publish(self, stamp: int | None) -> prompts.Slot:
        fields, data = self._prepared.image, self._prepared.attachments[0]
        entry = Entry(
            length=len(data),
            width=fields.width or 0,
            height=fields.height or 0,
            encoding=ENCODINGS[fields.encoding or ""],
            flags=HAS_CHECKSUM if self._checksum else 0,
            checksum=zlib.crc32(data) if self._checksum else 0,
            stamp=stamp or 0,
        )
        return self._lease.publish(self._index, entry)

    def _try_edit(self) -> NDArray[np.uint8] | None:
        with self._lock:
            self._check()
            here = not self._lease.lost and not self._lease.mapping.inherited
            if self._requests or (here and self._slot is not None and self._lease.is_read(self._index)):
                return None
            if here and self._slot is not None:
                self._lease.begin(self._index)
            self._slot = None
            self._array.flags.writeable = True
            return self._array

    def _check(self) -> None:
        if self._released:
            raise ValueError("This image has been released.")


def wait(timeout: float | None, attempt: Callable[[], T | None], why: Callable[[], str] | None = None) -> T:
    """Return what an attempt brings, trying for `timeout` seconds. NoFreeSlot if it brings nothing.

    Slots become free in another process, which does not say so: they have to be looked at.
    """
    end = time.monotonic() + (timeout or 0.0)
    pause = 0.0002
    while (found := attempt()) is None:
        left = end - time.monotonic()
        if left <= 0:
            raise NoFreeSlot(why() if why else "The image is still being read.")
        time.sleep(min(pause, left))
        pause = min(2 * pause, 0.005)
    return found
