"""From masks to the reply that goes on the wire."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import Image, Masks
from maskbus.worker.mask_source import MaskSource
from maskbus.worker.result_slot import ResultSlot
from maskbus_wire import base64_text, bits, label_map, overlay, png, polygon, replies
from maskbus_wire.prompts import Blob
from maskbus_wire.requests import PostProcessing

Payload = bytes | memoryview

_BLOBS: dict[str, Callable[[npt.NDArray[np.bool_]], Payload]] = {
    "bits": bits.pack,
    "bits+zlib": bits.pack_zlib,
    "png": png.encode_mask,
    "raw": lambda mask: _bytes_of(np.negative(mask.view(np.uint8))),
}


class MasksEncoder:
    """Write one answer in as many encodings as the reply and its topics want, each at most once."""

    def __init__(self, masks: MaskSource, open_image: Callable[[], Image], post: PostProcessing | None = None) -> None:
        """Begin with nothing written.

        Args:
            masks: As they are to be answered.
            open_image: Returns the image, for an overlay.
            post: What polygons are to be.
        """
        self._masks = masks
        self._open_image = open_image
        self._post = post or PostProcessing()
        self._done: dict[str, Any] = {}

    def fields(
        self, encodings: Sequence[str], *, inline: bool, slot: ResultSlot | None = None
    ) -> tuple[dict[str, Any], list[Payload]]:
        """Return the fields `masks`, `encodings`, `labels` and `overlay` of a reply, and its attachments.

        Args:
            encodings: How the masks are written.
            inline: Whether their bytes stand in the header.
            slot: Where the bytes go, as long as there is room; else they are attachments.
        """
        attachments: list[Payload] = []

        def blob(payload: Payload) -> dict[str, Any]:
            if inline:
                return {"data": bytes(payload)}
            place = slot.put(payload) if slot is not None else None
            if place is not None:
                return {"shared": place}
            attachments.append(payload)
            return {"attachment": len(attachments) - 1}

        entries = [self._entry(i, encodings, blob) for i in range(len(self._masks))]
        fields: dict[str, Any] = {"masks": entries, "encodings": list(encodings)}
        if "labels" in encodings:
            labels = self._once("labels", self._labels)
            kind: Literal["uint8", "uint16"] = "uint8" if labels.dtype == np.uint8 else "uint16"
            fields["labels"] = replies.Tensor(**blob(_bytes_of(labels)), shape=list(labels.shape), dtype=kind)
        if "overlay" in encodings:
            fields["overlay"] = Blob(**blob(self._once("overlay", self._overlay)))
        if slot is not None:
            fields["result"] = slot.slot
        return fields, attachments

    def _once(self, key: str, make: Callable[[], Any]) -> Any:
        if key not in self._done:
            self._done[key] = make()
        return self._done[key]

    def _entry(self, i: int, encodings: Sequence[str], blob: Callable[[Payload], dict[str, Any]]) -> replies.Mask:
        fields: dict[str, Any] = {}
        for encoding in encodings:
            if encoding in _BLOBS:
                payload = self._once(f"{encoding} {i}", partial(self._blob, encoding, i))
                fields[encoding.replace("+", "_")] = Blob(**blob(payload))
            elif encoding == "rle":
                counts = self._once(f"rle {i}", lambda: self._masks.counts(i))
                fields["rle"] = replies.Rle(size=(self._masks.height, self._masks.width), counts=counts)
            elif encoding == "polygon":
                fields["polygon"] = self._once(f"polygon {i}", lambda: self._polygon(i))
            elif encoding == "png_base64":
                data = self._once(f"png {i}", lambda: png.encode_mask(self._masks.full(i)))
                fields["png_base64"] = base64_text.encode(data)
            elif encoding == "logits" and (values := self._masks.logits(i)) is not None:
                logits = np.ascontiguousarray(values, "<f4")
                fields["logits"] = replies.Tensor(**blob(_bytes_of(logits)), shape=list(logits.shape), dtype="float32")
        box = self._masks.windows[i][0]
        return replies.Mask(bbox=box, area=self._masks.areas[i], **self._masks.said(i), **fields)

    def _blob(self, encoding: str, i: int) -> Payload:
        return _BLOBS[encoding](self._masks.full(i))

    def _polygon(self, i: int) -> list[list[float]]:
        post = self._post
        return polygon.encode(self._masks.full(i), most=post.max_contours, max_error=post.max_error)

    def _labels(self) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
        return label_map.encode_windows(self._masks.windows, self._masks.height, self._masks.width)

    def _overlay(self) -> bytes:
        import cv2

        painted = overlay.paint_windows(self._open_image().rgb, self._masks.windows)
        done, data = cv2.imencode(".png", painted[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not done:
            raise ValueError("The overlay could not be written as PNG.")
        return bytes(data)


def _bytes_of(array: npt.NDArray[Any]) -> memoryview:
    """Return the bytes of a contiguous array, without a copy; the memoryview keeps the array alive."""
    return memoryview(array.reshape(-1).view(np.uint8).data)


def check(masks: Masks, height: int, width: int, *, logits: bool) -> None:
    """Check that a handler answered what its contract says.

    Raises:
        ValueError: with a sentence for the author of the handler.
    """
    array = masks.masks
    if array.dtype != np.bool_ or array.ndim != 3 or array.shape[1:] != (height, width):
        raise ValueError(
            f"The handler answered masks of {array.dtype} {array.shape}; bool (N, {height}, {width}) is the contract."
        )
    for score in masks.scores:
        if not all(value is None or math.isfinite(value) for value in (score.similarity, score.probability)):
            raise ValueError(f"The handler's score of the text {score.text!r} is not finite.")
    count = len(array)
    if count == 0:
        return
    for name in ("predicted_iou", "stability_score", "similarity", "probability"):
        values = getattr(masks, name)
        if values is None:
            continue
        if values.shape != (count,) or not np.isfinite(values).all():
            raise ValueError(f"The handler's {name} is not one finite number a mask.")
    labels = masks.labels
    if labels is not None and (len(labels) != count or not all(isinstance(label, str) for label in labels)):
        raise ValueError("The handler's labels are not one text a mask.")
    if logits and masks.logits is not None and (masks.logits.ndim != 3 or len(masks.logits) != count):
        raise ValueError("The handler's logits are not of shape (N, h, w).")
