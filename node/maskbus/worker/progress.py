"""What a requester is told of a long job while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from maskbus.interfaces import FoundObject, Image
from maskbus.worker.answer import MasksEncoder
from maskbus.worker.mask_source import FoundMasks
from maskbus_wire import replies

_PAUSE = 0.1
"""Seconds between two messages at least."""


class ProgressReport:
    """Gather what a job tells of itself, and send it on at most ten times a second: at once, now and then, at last."""

    def __init__(
        self,
        request_id: str,
        height: int,
        width: int,
        send: Callable[[replies.Progress], None],
        place: Callable[[FoundObject], FoundObject] | None = None,
    ) -> None:
        """Begin with nothing done.

        Args:
            request_id: `id` of the request.
            height: Height of the image.
            width: Width of the image.
            send: Called with each message.
            place: Returns a mask that was found as one of the image, where that is another.
        """
        self._id = request_id
        self._size = height, width
        self._send = send
        self._place = place
        self._found = 0
        self._fresh: list[FoundObject] = []
        self._due = 0.0
        self._last: tuple[int, int] | None = None
        self._told = False

    def __call__(self, done: int, total: int, found: Sequence[FoundObject] = ()) -> None:
        """Take in how far the job is, as `Job.progress`."""
        self._last, self._told = (done, total), False
        self._fresh += found if self._place is None else map(self._place, found)
        self._found += len(found)
        if done >= total or time.monotonic() >= self._due:
            self._tell()

    def close(self) -> None:
        """Send what has been held back."""
        if not self._told:
            self._tell()

    def _tell(self) -> None:
        if self._last is None:
            return
        done, total = self._last
        fresh, self._fresh = self._fresh, []
        encoder = MasksEncoder(FoundMasks(*self._size, fresh), _no_image)
        masks = encoder.fields(["rle"], inline=False)[0]["masks"]
        self._send(replies.Progress(id=self._id, done=done, total=total, found=self._found, masks=masks))
        self._told = True
        self._due = time.monotonic() + _PAUSE


def _no_image() -> Image:
    raise AssertionError("run lengths need no image")
