"""Shared memory that a caller asks for: images are written where the node sees them, and masks come back there."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maskbus_client import leasing
from maskbus_client.core import Peer
from maskbus_client.errors import ClientClosed
from maskbus_client.lease import Lease
from maskbus_client.shared_image import SharedImage, wait
from maskbus_client.steps import Flow
from maskbus_wire import raw_image

if TYPE_CHECKING:
    from maskbus_client.image_input import Color


_PAUSE = 1.0
"""Seconds between two attempts to have slots again."""


class Memory:
    """Slots that are used again and again. May be shared by several threads.

    When the node was restarted, images that are there are sent as bytes, by themselves, and new slots are leased.
    """

    def __init__(self, peer: Peer, slots: int, slot_bytes: int, *, checksum: bool, masks: bool) -> None:
        self.peer = peer
        """Whose shared memory it is."""
        self.masks = masks
        """Whether large bytes of masks come back in a slot."""
        self._slots = slots
        self._slot_bytes = slot_bytes
        self._checksum = checksum
        self._lease: Lease | None = None
        self._renewing = False
        self._ask_again = 0.0
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{self.free} free"
        return f"<{type(self).__name__} of {self._slots} slots of {self._slot_bytes} bytes ({state})>"

    @property
    def slots(self) -> int:
        """How many images and results there is room for."""
        return self._slots

    @property
    def slot_bytes(self) -> int:
        """Bytes that an image or a result may have."""
        return self._slot_bytes

    @property
    def free(self) -> int:
        """How many slots are used by no image, result or request."""
        return self._lease.free if self._lease is not None else 0

    def open(self) -> Flow[None]:
        """Lease the slots."""
        self._lease = yield from leasing.lease(self.peer, self._slots, self._slot_bytes)
        self._slot_bytes = self._lease.slot_bytes

    def renew(self, lost: Lease, left: float) -> Flow[None]:
        """Lease other slots in place of those that the node knows nothing of, for a request that has `left` seconds.

        Where it gives none, all is sent as bytes.
        """
        lost.lost = True
        now = self.peer.clock()
        if self._renewing or self._lease is not lost or now < self._ask_again:
            return
        self._renewing = True
        self._ask_again = now + _PAUSE
        try:
            fresh = yield from leasing.lease_by_the_way(self.peer, self._slots, self._slot_bytes, left)
            if not isinstance(fresh, Lease):
                return
            if self._lease is lost:
                self._lease = fresh
            else:  # closed meanwhile
                yield from leasing.give_back(self.peer, fresh)
        finally:
            self._renewing = False

    def shut(self) -> Flow[None]:
        """Give the slots back. Arrays that lie in them stay as they are."""
        self._closed = True
        lease, self._lease = self._lease, None
        if lease is not None:
            yield from leasing.give_back(self.peer, lease)

    def _image(self, height: int, width: int, encoding: str, timeout: float | None) -> SharedImage:
        if encoding not in raw_image.CHANNELS:
            raise ValueError(f"A shared image is one of {', '.join(raw_image.CHANNELS)}, not {encoding!r}.")
        nbytes = raw_image.required_bytes(width, height, 0, encoding)
        if nbytes > self._slot_bytes:
            raise ValueError(f"The image takes {nbytes} bytes; a slot has {self._slot_bytes}.")
        return wait(timeout, lambda: self._try(height, width, encoding), self._why)

    def _try(self, height: int, width: int, encoding: str) -> SharedImage | None:
        lease = self._lease
        if lease is None or self._closed:
            raise ValueError("The shared memory has been closed.")
        if lease.mapping.inherited:
            raise ValueError("The shared memory belongs to the process that this one was forked from.")
        index = lease.take()
        if index is None:
            return None
        try:
            return SharedImage(self, lease, index, (height, width), encoding, checksum=self._checksum)
        except BaseException:
            lease.give_back(index)
            raise

    def _copy(self, array: NDArray[Any], color: Color, timeout: float | None) -> SharedImage:
        raw = raw_image.from_array(array, color)
        image = self._image(raw.height, raw.width, raw.encoding, timeout)
        np.copyto(image.array, raw_image.view(raw.data, raw.width, raw.height, raw.step, raw.encoding))
        return image

    def _why(self) -> str:
        return (
            f"All {self._slots} slots are used by images, results or requests: let go of some (a result holds its "
            f"slot for as long as it, or bytes of it, are there), or lease more."
        )


class SharedMemory(Memory):
    """Slots of a `Client`. A context manager; `close` it when done."""

    def __init__(
        self,
        run: Callable[[Flow[None]], None],
        peer: Peer,
        slots: int,
        slot_bytes: int,
        *,
        checksum: bool,
        masks: bool,
    ) -> None:
        super().__init__(peer, slots, slot_bytes, checksum=checksum, masks=masks)
        self._run = run

    def image(self, *, height: int, width: int, encoding: str = "rgb8", timeout: float | None = None) -> SharedImage:
        """Take a free slot for an image.

        Args:
            height: Rows.
            width: Columns.
            encoding: "rgb8", "bgr8", "mono8", "rgba8" or "bgra8".
            timeout: Seconds to wait for a slot; left out: none.

        Raises:
            NoFreeSlot: if none is free then.
            ValueError: for an image that does not fit, and if the memory has been closed.
        """
        return self._image(height, width, encoding, timeout)

    def copy(self, array: NDArray[Any], *, color: Color = "rgb", timeout: float | None = None) -> SharedImage:
        """Copy an array, in any form that `segment` takes, to a free slot. The rest as `image`."""
        return self._copy(array, color, timeout)

    def close(self) -> None:
        """Give the slots back to the node. Arrays and results that lie in them stay as they are."""
        with suppress(ClientClosed):  # which has given it back already
            self._run(self.shut())

    def __enter__(self) -> SharedMemory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncSharedMemory(Memory):
    """Slots of an `AsyncClient`. An asynchronous context manager; `close` it when done."""

    def __init__(
        self,
        run: Callable[[Flow[None]], Coroutine[Any, Any, None]],
        peer: Peer,
        slots: int,
        slot_bytes: int,
        *,
        checksum: bool,
        masks: bool,
    ) -> None:
        super().__init__(peer, slots, slot_bytes, checksum=checksum, masks=masks)
        self._run = run

    def image(self, *, height: int, width: int, encoding: str = "rgb8") -> SharedImage:
        """Take a free slot for an image, as `SharedMemory.image` does, without waiting for one."""
        return self._image(height, width, encoding, None)

    def copy(self, array: NDArray[Any], *, color: Color = "rgb") -> SharedImage:
        """Copy an array to a free slot, as `SharedMemory.copy` does, without waiting for one."""
        return self._copy(array, color, None)

    async def close(self) -> None:
        """Give the slots back to the node. Arrays and results that lie in them stay as they are."""
        with suppress(ClientClosed):
            await self._run(self.shut())

    async def __aenter__(self) -> AsyncSharedMemory:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
