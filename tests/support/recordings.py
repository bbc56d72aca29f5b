"""Published messages made by hand, as a node would send them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from maskbus.adapters.recording.recording import Recorded
from maskbus_wire import png, rle
from maskbus_wire.frames import encode
from maskbus_wire.prompts import Blob, Image
from maskbus_wire.replies import Mask, Masks, PublishedFrame, Rle

START = 1_700_000_000 * 10**9
SECOND = 10**9


def recorded(frames: Sequence[Any], at: float = 0.0) -> Recorded:
    return Recorded(START + round(at * SECOND), [bytes(frame) for frame in frames])


def frame(data: bytes, encoding: str, *, stream: str = "front", topic: str = "", **fields: Any) -> list[Any]:
    """Return the frames of a PublishedFrame."""
    image = {name: fields.pop(name) for name in ("width", "height", "step") if name in fields}
    topic = topic or f"frames/{stream}"
    head = PublishedFrame(stream=stream, topic=topic, image=Image(attachment=0, encoding=encoding, **image), **fields)
    return [topic.encode(), *encode(head, [data])]


def rgb_frame(pixels: np.ndarray, **fields: Any) -> list[Any]:
    height, width = pixels.shape[:2]
    return frame(pixels.tobytes(), "rgb8", width=width, height=height, **fields)


def masks(arrays: Sequence[np.ndarray], *, topic: str = "masks/front/grabcut", kind: str = "rle", **fields: Any):
    """Return the frames of Masks; `each` holds the further fields of every mask."""
    height, width = arrays[0].shape if arrays else (4, 6)
    each = fields.pop("each", [{}] * len(arrays))
    attachments: list[bytes] = []
    found = []
    for array, more in zip(arrays, each, strict=True):
        ys, xs = np.nonzero(array)
        box = (int(xs.min()), int(ys.min()), int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1) if len(xs) else (0, 0, 0, 0)
        pixels: dict[str, Any] = {}
        if kind == "rle":
            pixels["rle"] = Rle(size=(height, width), counts=rle.encode(array))
        elif kind == "png":
            pixels["png"] = Blob(attachment=len(attachments))
            attachments.append(png.encode_mask(array))
        found.append(
            Mask(bbox=box, area=int(array.sum()), predicted_iou=0.9, stability_score=0.8, **pixels, **dict(more))
        )
    fields = {"stream": "front", "model": "grabcut", "published": 1, **fields}
    head = Masks(topic=topic.rpartition(":")[2], width=width, height=height, masks=found, encodings=[kind], **fields)
    return [topic.encode(), *encode(head, attachments)]
