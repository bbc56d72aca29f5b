"""A frame and its masks, as one message for pages."""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import Executor
from typing import Any

import msgspec

from maskbus.adapters.viewer import outline
from maskbus.adapters.viewer.frame import Frame
from maskbus_client.errors import MaskbusError
from maskbus_client.results import Result

_versions = itertools.count(1)


class Picture:
    """Make the message when the first page is ready for it, once for all pages."""

    def __init__(self, frame: Frame, result: Result | None) -> None:
        self.frame = frame
        self.result = result
        self.version = next(_versions)
        """Larger than that of any picture made before."""
        self._side = 0
        self._making: asyncio.Future[tuple[dict[str, Any], bytes] | None] | None = None

    async def message(self, stream: str, side: int, age: float, executor: Executor) -> bytes | None:
        """Return the message, None where the frame is no picture.

        Args:
            stream: Name of the stream.
            side: Pixels that the longer side of the frame has on the page, at most.
            age: Seconds since the frame came.
            executor: Where pixels are worked on.

        The message is the length of a JSON text as a little-endian uint32, this text, and a JPEG.
        """
        if self._making is None or self._side < side:
            self._side = side
            loop = asyncio.get_running_loop()
            self._making = loop.run_in_executor(executor, make, self.frame, self.result, side)
        # Other pages wait for the same: one that goes away must not take it from them.
        made = await asyncio.shield(self._making)
        if made is None:
            return None
        told, jpeg = made
        head = msgspec.json.encode({"stream": stream, "age_ms": round(1000 * age, 1), **told})
        return len(head).to_bytes(4, "little") + head + jpeg


def make(frame: Frame, result: Result | None, side: int) -> tuple[dict[str, Any], bytes] | None:
    """Return what is told of the picture, and the JPEG; None where the frame is no picture."""
    try:
        jpeg = frame.develop(side)
    except ValueError:
        return None  # its producer learns of it from the node
    told: dict[str, Any] = {"seq": frame.key[0], "width": jpeg.width, "height": jpeg.height, "masks": None}
    if result is not None and (result.width, result.height) == (jpeg.width, jpeg.height):
        try:
            told["masks"] = outline.describe(result, max(0.5, max(jpeg.width, jpeg.height) / side / 2))
        except MaskbusError as error:
            told["notes"] = [str(error)]
        else:
            told["notes"] = result.notes
            told["hidden"] = max(0, len(result.masks) - outline.MOST_MASKS)
            told["total_ms"] = round(result.timings.total_ms, 1)
    return told, jpeg.data
