"""From a handler's masks to the reply that goes on the wire."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import Image, Masks
from maskbus.worker.result_slot import ResultSlot
from maskbus_wire import base64_text, bits, geometry, label_map, overlay, png, polygon, replies, rle
from maskbus_wire.prompts import Blob

Payload = bytes | memoryview

_BLOBS: dict[str, Callable[[npt.NDArray[np.bool_]], Payload]] = {
    "bits": bits.pack,
    "bits+zlib": bits.pack_zlib,
    "png": png.encode_mask,
    "raw": lambda mask: _bytes_of(np.negative(mask.view(np.uint8))),
}


class MasksEncoder:
    """Write one answer in as many encodings as the reply and its topics want, each at most once."""

    def __init__(self, masks: Masks, open_image: Callable[[], Image]) -> None:
        self._masks = masks
        self._open_image = open_image
        self._done: dict[str, Any] = {}
        self._boxes = [geometry.bbox(mask) for mask in masks.masks]
        self._areas = [geometry.area(mask) for mask in masks.masks]

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
            labels = self._once("labels", lambda: label_map.encode(self._masks.masks))
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
        mask = self._masks.masks[i]
        fields: dict[str, Any] = {}
        for encoding in encodings:
            if encoding in _BLOBS:
                payload = self._once(f"{encoding} {i}", partial(_BLOBS[encoding], mask))
                fields[encoding.replace("+", "_")] = Blob(**blob(payload))
            elif encoding == "rle":
                counts = self._once(f"rle {i}", lambda: rle.encode(mask))
                fields["rle"] = replies.Rle(size=(mask.shape[0], mask.shape[1]), counts=counts)
            elif encoding == "polygon":
                fields["polygon"] = self._once(f"polygon {i}", lambda: polygon.encode(mask))
            elif encoding == "png_base64":
                data = self._once(f"png {i}", lambda: png.encode_mask(mask))
                fields["png_base64"] = base64_text.encode(data)
            elif encoding == "logits" and self._masks.logits is not None:
                logits = np.ascontiguousarray(self._masks.logits[i], "<f4")
                fields["logits"] = replies.Tensor(**blob(_bytes_of(logits)), shape=list(logits.shape), dtype="float32")
        labels, similarity = self._masks.labels, self._masks.similarity
        return replies.Mask(
            bbox=self._boxes[i],
            area=self._areas[i],
            predicted_iou=_share(self._masks.predicted_iou[i]),
            stability_score=_share(self._masks.stability_score[i]),
            label=None if labels is None else labels[i],
            similarity=None if similarity is None else float(similarity[i]),
            **fields,
        )

    def _overlay(self) -> bytes:
        import cv2

        painted = overlay.paint(self._open_image().rgb, self._masks.masks)
        done, data = cv2.imencode(".png", painted[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not done:
            raise ValueError("The overlay could not be written as PNG.")
        return bytes(data)


def _bytes_of(array: npt.NDArray[Any]) -> memoryview:
    """Return the bytes of a contiguous array, without a copy; the memoryview keeps the array alive."""
    return memoryview(array.reshape(-1).view(np.uint8).data)


def _share(score: np.floating[Any]) -> float:
    """Return a score as a number in 0…1: a network that estimates its IoU may go a little beyond."""
    return min(max(float(score), 0.0), 1.0)


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
    count = len(array)
    if count == 0:
        return
    for name in ("predicted_iou", "stability_score", "similarity"):
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
