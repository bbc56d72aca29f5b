"""The image an answer is about, as far as the client knows it: what its masks share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maskbus_client import image_input, reply_bytes
from maskbus_client.errors import ProtocolError
from maskbus_client.picture import Picture
from maskbus_wire import prompts, replies
from maskbus_wire.frames import Buffer

if TYPE_CHECKING:
    from maskbus_client.image_input import Color


class Scene:
    """Hold a reply and its bytes.

    A result and its masks refer to it, and masks not to the result: no cycle keeps large frames alive.
    """

    def __init__(
        self, reply: replies.Masks, attachments: Sequence[Buffer], show: Picture | None, shared: memoryview | None
    ) -> None:
        if reply.width < 1 or reply.height < 1:
            raise ProtocolError(f"The reply is about an image of {reply.width} × {reply.height} pixels.")
        self.reply = reply
        self._attachments = attachments
        self._shared = shared
        self.height = reply.height
        self.width = reply.width
        self._show = show
        self._visible: NDArray[np.bool_] | None = None

    def sent(self) -> NDArray[np.uint8] | None:
        """Return the image that was sent as RGB uint8 (H, W, 3); None where it is not known, or gone."""
        return None if self._show is None else self._show()

    def held(self, blob: prompts.Blob, name: str) -> bytes | memoryview:
        """Return the bytes a blob of the reply stands for. ProtocolError if they are not there."""
        return reply_bytes.held(blob, self._attachments, name, self._shared)

    def tensor(self, value: replies.Tensor, name: str, dtypes: Sequence[str]) -> NDArray[Any]:
        """Return an array of the reply, read-only. ProtocolError if it is not what it should be."""
        return reply_bytes.tensor(value, self._attachments, name, dtypes, self._shared)

    def paint(
        self, masks: NDArray[np.bool_], image: Any = None, alpha: float = 0.5, *, color: Color = "rgb"
    ) -> NDArray[np.uint8]:
        """Return the image with `masks`, bool (N, H, W), painted over it; for the rest see `Result.overlay`."""
        from maskbus_wire import overlay

        pixels = self.sent() if image is None else image_input.prepare(image, color).picture()
        if pixels is None:
            raise ValueError("The image is not known here any more: keep it, or pass it as `image`.")
        if pixels.shape[:2] != (self.height, self.width):
            raise ValueError(
                f"The image is {pixels.shape[1]} × {pixels.shape[0]}, the masks {self.width} × {self.height}."
            )
        return overlay.paint(pixels, masks, alpha=alpha)

    def visible_parts(self) -> NDArray[np.bool_] | None:
        """Return what the reply's label map shows of each mask, bool (N, H, W); None if it holds no label map."""
        from maskbus_wire import label_map

        if self._visible is None:
            found = self.labels()
            if found is not None:
                self._visible = reply_bytes.reading("labels", lambda: label_map.decode(found, len(self.reply.masks)))
        return self._visible

    def labels(self) -> NDArray[Any] | None:
        """Return the reply's own label map, uint8 or uint16 (H, W), read-only; None if it holds none."""
        if self.reply.labels is None:
            return None
        found = self.tensor(self.reply.labels, "labels", ("uint8", "uint16"))
        if found.shape != (self.height, self.width):
            raise ProtocolError(f"The reply's labels have the shape {found.shape}.")
        return found
