"""The masks of a message as a viewer takes them: a picture to lie over the frame, and outlines with words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from foxglove_schemas_protobuf.Color_pb2 import Color
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.ImageAnnotations_pb2 import ImageAnnotations
from foxglove_schemas_protobuf.Point2_pb2 import Point2
from foxglove_schemas_protobuf.PointsAnnotation_pb2 import PointsAnnotation
from foxglove_schemas_protobuf.TextAnnotation_pb2 import TextAnnotation
from numpy.typing import NDArray

from maskbus.adapters.recording import label_picture
from maskbus.adapters.recording.frame_view import moment
from maskbus_client.errors import NoMask
from maskbus_client.masks import Mask
from maskbus_client.scene import Scene
from maskbus_wire import overlay, replies
from maskbus_wire.frames import Buffer
from maskbus_wire.limits import DEFAULT_LIMITS

_INK = 0.35
"""How opaque the ground of a text is."""


@dataclass(frozen=True)
class View:
    """What is drawn of one message."""

    picture: CompressedImage | None
    """PNG with a palette: 0 is no mask, 1 + object_id or 1 + index the mask's; None where the message has no pixels."""
    annotations: ImageAnnotations


def draw(masks: replies.Masks, attachments: Sequence[Buffer], time: int) -> View:
    """Return the picture and the outlines of the masks of one frame.

    Masks are decoded one at a time, larger ones first, so that small ones lie over them.

    Args:
        masks: The header.
        attachments: What the header refers to.
        time: The frame's own time, nanoseconds since the epoch.

    Raises:
        ProtocolError, ValueError: if the message is not what it says.
    """
    if masks.width * masks.height > DEFAULT_LIMITS.pixels:
        raise ValueError(f"masks of {masks.width} x {masks.height} pixels are too large to be drawn")
    scene = Scene(masks, attachments, None, None)
    labels = np.zeros((masks.height, masks.width), np.uint8)
    when = moment(time)
    size = max(12.0, masks.height / 40)
    annotations = ImageAnnotations(timestamp=when)
    has_pixels = not masks.masks
    for index in sorted(range(len(masks.masks)), key=lambda i: -masks.masks[i].area):
        reply = masks.masks[index]
        number = index if reply.object_id is None else reply.object_id
        label = label_picture.label_of(number)
        colour = _colour(label)
        mask = Mask(scene, index, reply)
        try:
            array = mask.to_array()
        except NoMask:
            outlines = [_box(reply.bbox)]
        else:
            has_pixels = True
            labels[array] = label
            outlines = _outlines(array)
        for outline in outlines:
            annotations.points.append(
                PointsAnnotation(
                    timestamp=when,
                    type=PointsAnnotation.LINE_LOOP,
                    points=[Point2(x=x, y=y) for x, y in outline],
                    outline_color=colour,
                    thickness=max(1.0, size / 8),
                )
            )
        if reply.area:
            annotations.texts.append(
                TextAnnotation(
                    timestamp=when,
                    position=Point2(x=reply.bbox[0], y=reply.bbox[1]),
                    text=_words(reply, number),
                    font_size=size,
                    text_color=Color(r=1, g=1, b=1, a=1),
                    background_color=Color(r=colour.r * _INK, g=colour.g * _INK, b=colour.b * _INK, a=0.7),
                )
            )
    picture = None
    if has_pixels:
        data = label_picture.encode(labels)
        picture = CompressedImage(timestamp=when, frame_id=masks.frame_id or "", data=data, format="png")
    return View(picture, annotations)


def _words(reply: replies.Mask, number: int) -> str:
    name = f"#{number}" if reply.label is None else reply.label
    score = reply.predicted_iou if reply.similarity is None else reply.similarity
    return f"{name} {score:.2f}" + (" lost" if reply.present is False else "")


def _outlines(mask: NDArray[np.bool_]) -> list[list[list[float]]]:
    """Return the borders of a mask, holes included, as rings of x, y; they run through the centres of its pixels."""
    import cv2

    found, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    rings: list[Any] = [cv2.approxPolyDP(ring, 0.7, True) for ring in found]
    return [(ring.reshape(-1, 2) + 0.5).tolist() for ring in rings]


def _box(bbox: tuple[int, int, int, int]) -> list[list[float]]:
    x, y, w, h = bbox
    return [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]


@lru_cache(maxsize=256)
def _colour(label: int) -> Color:
    r, g, b = (overlay.palette(label)[-1] / 255.0).tolist()
    return Color(r=r, g=g, b=b, a=1.0)
