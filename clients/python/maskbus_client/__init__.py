"""The Python client of maskbus: images and prompts in, masks out, over ZeroMQ.

::

    from maskbus_client import Client

    with Client() as client:
        result = client.segment("photo.jpg", points=(320, 240))
        result.best.save("mask.png")

`Client` blocks, `AsyncClient` is for asyncio; both have the same methods. Everything is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskbus_client.aio import AsyncClient, AsyncImageHandle
    from maskbus_client.aio_stream import AsyncStream
    from maskbus_client.aio_subscription import AsyncFrameSubscription, AsyncSubscription
    from maskbus_client.child import Child
    from maskbus_client.errors import (
        Busy,
        Cancelled,
        ChildDied,
        ClientClosed,
        DeadlineExceeded,
        ImageExpired,
        Internal,
        InvalidField,
        InvalidImage,
        InvalidValue,
        Malformed,
        MaskbusError,
        ModelUnavailable,
        NodeError,
        NodeUnreachable,
        NoFreeSlot,
        NoMask,
        NoSharedMemory,
        OutOfMemory,
        ProtocolError,
        ShuttingDown,
        TooLarge,
        TransportError,
        UnknownEncoding,
        UnknownImage,
        UnknownLease,
        UnknownModel,
        UnknownOperation,
        UnknownStream,
        UnsupportedPrompt,
        UnsupportedVersion,
        WorkerDied,
    )
    from maskbus_client.frame import Frame
    from maskbus_client.keys import Keys
    from maskbus_client.masks import Mask
    from maskbus_client.progress import Progress
    from maskbus_client.results import Result
    from maskbus_client.shared_image import SharedImage
    from maskbus_client.shared_memory import AsyncSharedMemory, SharedMemory
    from maskbus_client.stream import Stream
    from maskbus_client.subscription import FrameSubscription, Subscription
    from maskbus_client.sync import Client, ImageHandle
    from maskbus_wire.requests import PostProcessing, Route, TextOptions

__all__ = [
    "AsyncClient",
    "AsyncFrameSubscription",
    "AsyncImageHandle",
    "AsyncSharedMemory",
    "AsyncStream",
    "AsyncSubscription",
    "Busy",
    "Cancelled",
    "Child",
    "ChildDied",
    "Client",
    "ClientClosed",
    "DeadlineExceeded",
    "Frame",
    "FrameSubscription",
    "ImageExpired",
    "ImageHandle",
    "Internal",
    "InvalidField",
    "InvalidImage",
    "InvalidValue",
    "Keys",
    "Malformed",
    "Mask",
    "MaskbusError",
    "ModelUnavailable",
    "NoFreeSlot",
    "NoMask",
    "NoSharedMemory",
    "NodeError",
    "NodeUnreachable",
    "OutOfMemory",
    "PostProcessing",
    "Progress",
    "ProtocolError",
    "Result",
    "Route",
    "SharedImage",
    "SharedMemory",
    "ShuttingDown",
    "Stream",
    "Subscription",
    "TextOptions",
    "TooLarge",
    "TransportError",
    "UnknownEncoding",
    "UnknownImage",
    "UnknownLease",
    "UnknownModel",
    "UnknownOperation",
    "UnknownStream",
    "UnsupportedPrompt",
    "UnsupportedVersion",
    "WorkerDied",
]

_HOMES = {
    "AsyncClient": "aio",
    "AsyncFrameSubscription": "aio_subscription",
    "AsyncImageHandle": "aio",
    "AsyncSharedMemory": "shared_memory",
    "AsyncStream": "aio_stream",
    "AsyncSubscription": "aio_subscription",
    "Child": "child",
    "Client": "sync",
    "Frame": "frame",
    "FrameSubscription": "subscription",
    "ImageHandle": "sync",
    "Keys": "keys",
    "Mask": "masks",
    "PostProcessing": "option_input",
    "Progress": "progress",
    "Result": "results",
    "Route": "option_input",
    "SharedImage": "shared_image",
    "SharedMemory": "shared_memory",
    "Stream": "stream",
    "Subscription": "subscription",
    "TextOptions": "option_input",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
