"""A frame of a stream as a viewer takes it: a `foxglove.CompressedImage` or `foxglove.RawImage`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from google.protobuf.timestamp_pb2 import Timestamp

from maskbus_client import reply_bytes
from maskbus_wire.frames import Buffer
from maskbus_wire.raw_image import CHANNELS
from maskbus_wire.replies import PublishedFrame

if TYPE_CHECKING:
    View = CompressedImage | RawImage


def draw(frame: PublishedFrame, attachments: Sequence[Buffer], time: int) -> View:
    """Return the frame's picture, its bytes as they are.

    Args:
        frame: The header.
        attachments: What the header refers to.
        time: The picture's own time, nanoseconds since the epoch.

    Raises:
        ProtocolError: if the bytes are not there.
        ValueError: if they are not what the header says.
    """
    image = frame.image
    data = bytes(reply_bytes.held(image, attachments, "image"))
    frame_id = frame.frame_id or ""
    encoding = image.encoding or ""
    if encoding not in CHANNELS:
        return CompressedImage(timestamp=moment(time), frame_id=frame_id, data=data, format=encoding)
    width, height = image.width or 0, image.height or 0
    step = image.step or width * CHANNELS[encoding]
    if not step * (height - 1) < len(data) <= step * height:
        raise ValueError(f"a frame of {height} rows of {step} bytes has {len(data)} bytes")
    return RawImage(
        timestamp=moment(time),
        frame_id=frame_id,
        width=width,
        height=height,
        encoding=encoding,
        step=step,
        data=data.ljust(step * height, b"\0"),  # on the wire, the last row need not be padded
    )


def moment(time: int) -> Timestamp:
    """Return nanoseconds since the epoch as protobuf has them."""
    return Timestamp(seconds=time // 10**9, nanos=time % 10**9)
