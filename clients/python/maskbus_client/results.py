"""The answer to a segmentation, and a published one: masks, and where they are from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from maskbus_client import picture, reply_bytes
from maskbus_client.errors import NoMask, ProtocolError
from maskbus_client.masks import Mask
from maskbus_client.picture import Picture
from maskbus_client.scene import Scene
from maskbus_wire import replies
from maskbus_wire.frames import Buffer

if TYPE_CHECKING:
    from maskbus_client.image_input import Color


class Result(Sequence[Mask]):
    """The masks of one image. A sequence of `Mask`s; each is decoded when it is looked at.

    The image that was sent is remembered weakly: as long as the caller keeps it, `overlay` and `save` find it. What
    came in shared memory takes its slot for as long as the result, one of its masks, or an array of its bytes is there.
    """

    def __init__(
        self,
        reply: replies.Masks,
        attachments: Sequence[Buffer],
        show: Picture | None = None,
        shared: memoryview | None = None,
    ) -> None:
        self._scene = Scene(reply, attachments, show, shared)
        self.reply = reply
        """The wire's own message."""
        self.masks: list[Mask] = [Mask(self._scene, i, mask) for i, mask in enumerate(reply.masks)]
        """One entry a mask, in the node's order."""

    def __repr__(self) -> str:
        return f"<Result of {self.model!r}: {len(self)} masks, {self.width}×{self.height}, id={self.id!r}>"

    def __len__(self) -> int:
        return len(self.masks)

    def __iter__(self) -> Iterator[Mask]:
        return iter(self.masks)

    @overload
    def __getitem__(self, index: int) -> Mask: ...

    @overload
    def __getitem__(self, index: slice) -> list[Mask]: ...

    def __getitem__(self, index: int | slice) -> Mask | list[Mask]:
        return self.masks[index]

    @property
    def id(self) -> str:
        """`id` of the request."""
        return self.reply.id

    @property
    def model(self) -> str:
        """Name of the model that answered."""
        return self.reply.model

    @property
    def width(self) -> int:
        """Width of the image in pixels."""
        return self.reply.width

    @property
    def height(self) -> int:
        """Height of the image in pixels."""
        return self.reply.height

    @property
    def image_id(self) -> str | None:
        """Reference to the image, where the node keeps it."""
        return self.reply.image_id

    @property
    def cached(self) -> bool:
        """Whether the image's embedding was there already."""
        return self.reply.cached

    @property
    def timings(self) -> replies.Timings:
        """Where the node's time went, in milliseconds."""
        return self.reply.timings

    @property
    def notes(self) -> list[str]:
        """What the node did otherwise than asked, a sentence each."""
        return self.reply.notes

    @property
    def tried(self) -> list[replies.Attempt]:
        """Where a route was asked: the models that were to answer before `model`, and why they have not."""
        return self.reply.tried

    @property
    def reused(self) -> bool:
        """Whether the node had this answer already, so that nothing was computed."""
        return self.reply.reused

    @property
    def scores(self) -> list[replies.TextScore]:
        """Where text was asked for: how each text has fared, in their order, also where nothing was found."""
        return self.reply.scores

    @property
    def encodings(self) -> list[str]:
        """The encodings this message holds."""
        return self.reply.encodings

    @property
    def stamp(self) -> int | None:
        """Time of the image in nanoseconds since the epoch, as the request had it."""
        return self.reply.stamp

    @property
    def frame_id(self) -> str | None:
        """Coordinate frame of the image, as the request had it."""
        return self.reply.frame_id

    @property
    def stream(self) -> str | None:
        """Stream the image is from, as the request had it."""
        return self.reply.stream

    @property
    def seq(self) -> int | None:
        """Number of the image in its stream, as the request had it."""
        return self.reply.seq

    @property
    def topic(self) -> str | None:
        """On published results: the topic."""
        return self.reply.topic

    @property
    def counts(self) -> replies.StreamCounts | None:
        """On results of a stream: what had become of its frames when this one's turn came."""
        return self.reply.counts

    @property
    def best(self) -> Mask:
        """The mask with the highest predicted_iou, the first of equals. NoMask if there is none at all."""
        if not self.masks:
            raise NoMask("The answer has no masks.")
        return max(self.masks, key=lambda mask: mask.predicted_iou)

    def to_array(self) -> NDArray[np.bool_]:
        """Return all masks as bool (N, H, W). Errors as `Mask.to_array`."""
        stacked = np.zeros((len(self.masks), self.height, self.width), np.bool_)
        for i, mask in enumerate(self.masks):
            stacked[i] = mask.to_array()
        return stacked

    def labels(self) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Return the label map, uint8 or uint16 (H, W): 0 is background, i + 1 is masks[i].

        Where masks overlap the smaller one is seen. It is the reply's own, read-only, or else made of the masks.
        Errors as `Mask.to_array`.
        """
        from maskbus_wire import label_map

        found = self._scene.labels()
        return label_map.encode(self.to_array()) if found is None else found

    def overlay(self, image: Any = None, alpha: float = 0.5, *, color: Color = "rgb") -> NDArray[np.uint8]:
        """Return the image as RGB uint8 (H, W, 3) with the masks painted over it.

        Args:
            image: In any form that `segment` takes; left out: the one that was sent, if the caller still holds it, else
                the `overlay` picture of the reply.
            alpha: How much of a mask's colour is seen, 0…1.
            color: What 3 channels of an `image` array mean.

        Raises:
            ValueError: if no image is known, or it is of another size.
            NoMask, ProtocolError: as `Mask.to_array`.
        """
        if image is None and self.reply.overlay is not None and self._scene.sent() is None:
            data = self._scene.held(self.reply.overlay, "overlay")
            painted = reply_bytes.reading("overlay", lambda: picture.from_file(bytes(data)))
            if painted.shape != (self.height, self.width, 3):
                raise ProtocolError(f"The reply's overlay has the shape {painted.shape}.")
            return painted
        return self._scene.paint(self.to_array(), image, alpha, color=color)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the overlay as a PNG file, or, where no image is known, the union of the masks as 0 and 255.

        Errors as `overlay`, and OSError.
        """
        if self._scene.sent() is not None or self.reply.overlay is not None:
            picture.write_png(path, self.overlay())
        else:
            picture.write_png(path, np.logical_or.reduce(self.to_array(), axis=0))
