"""The bytes and arrays a reply holds, checked against what it says of them before anything is viewed or decoded."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from maskbus_client.errors import ProtocolError
from maskbus_wire import prompts, replies
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Buffer
from maskbus_wire.image_checks import blob_bytes
from maskbus_wire.limits import DEFAULT_LIMITS

_T = TypeVar("_T")
_DTYPES = {"float32": "<f4", "uint8": "u1", "uint16": "<u2"}


def held(
    blob: prompts.Blob, attachments: Sequence[Buffer], name: str, shared: memoryview | None = None
) -> bytes | memoryview:
    """Return the bytes a blob stands for, without a copy where they are an attachment or in shared memory.

    Args:
        blob: Where they are.
        attachments: The reply's attachments.
        name: Of the field, for errors.
        shared: What came in shared memory, if anything did.

    Raises:
        ProtocolError: if the blob names none, several, or bytes that are not there.
    """
    given = sum(value is not None for value in (blob.attachment, blob.data, blob.base64, blob.shared))
    if given != 1:
        raise ProtocolError(f"The reply's {name} must be in one place, not in {given}.")
    if blob.shared is not None:
        start, count = blob.shared
        there = 0 if shared is None else shared.nbytes
        if shared is None or start < 0 or count < 0 or start + count > there:
            raise ProtocolError(
                f"The reply's {name} is said to be {count} bytes at {start} in shared memory; there are {there}."
            )
        return shared[start : start + count]
    if blob.attachment is not None and not 0 <= blob.attachment < len(attachments):
        raise ProtocolError(
            f"The reply's {name} is said to be attachment {blob.attachment}; there are {len(attachments)}."
        )
    try:
        found = blob_bytes(blob, attachments, DEFAULT_LIMITS, name)  # type: ignore[arg-type]
    except WireError as error:
        raise ProtocolError(f"The reply's {name} cannot be read: {error.message}") from None
    return found


def tensor(
    value: replies.Tensor,
    attachments: Sequence[Buffer],
    name: str,
    dtypes: Sequence[str],
    shared: memoryview | None = None,
) -> NDArray[Any]:
    """Return a two-dimensional array as a read-only view of the reply's bytes; arguments as `held`.

    Raises:
        ProtocolError: if its shape, type or number of bytes do not agree.
    """
    if len(value.shape) != 2 or min(value.shape) < 1 or value.dtype not in dtypes:
        raise ProtocolError(
            f"The reply's {name} must be {' or '.join(dtypes)} with two axes, not {value.dtype} {value.shape}."
        )
    data = held(value, attachments, name, shared)
    dtype = np.dtype(_DTYPES[value.dtype])
    expected = math.prod(value.shape) * dtype.itemsize
    found = memoryview(data).nbytes
    if found != expected:
        raise ProtocolError(f"The reply's {name} of shape {value.shape} takes {expected} bytes, not {found}.")
    array = np.frombuffer(data, dtype).reshape(value.shape)
    array.flags.writeable = False
    return array


def reading(name: str, decode: Callable[[], _T]) -> _T:
    """Return what `decode` returns; ProtocolError where the codec finds that the bytes are not what they should be."""
    try:
        return decode()
    except ValueError as error:
        raise ProtocolError(f"The reply's {name} cannot be read: {error}") from None
