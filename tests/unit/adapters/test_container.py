"""A whole message as one run of bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskbus_wire import container
from maskbus_wire.errors import WireError
from maskbus_wire.limits import Limits


def packed(frames: list[bytes]) -> bytes:
    return container.table(frames) + b"".join(frames)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=8))
def test_frames_come_back(frames: list[bytes]) -> None:
    data = packed(frames)
    assert len(data) == container.size(frames)
    assert [bytes(frame) for frame in container.split(memoryview(data))] == frames


def test_the_layout_is_the_documents() -> None:
    assert packed([b"head", b"", b"xyz"]) == (
        b"\3\0\0\0\0\0\0\0" + b"\4\0\0\0\0\0\0\0" + bytes(8) + b"\3\0\0\0\0\0\0\0" + b"headxyz"
    )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "malformed"),
        (b"\1\0\0", "malformed"),
        (bytes(8), "malformed"),
        (struct.pack("<IIQ", 1, 7, 0), "malformed"),
        (struct.pack("<II", 1, 0), "malformed"),
        (struct.pack("<II", 2**32 - 1, 0) + bytes(100), "malformed"),
        (struct.pack("<IIQ", 1, 0, 5) + b"four", "malformed"),
        (struct.pack("<IIQ", 1, 0, 3) + b"four", "malformed"),
        (struct.pack("<IIQQ", 2, 0, 2**64 - 1, 1), "malformed"),
        (struct.pack("<IIQQ", 2, 0, 2**64 - 4, 8) + b"four", "malformed"),
        (packed([b"head", b"", b"", b""]), "too_large"),
        (packed([b"head", bytes(65)]), "too_large"),
    ],
)
def test_what_is_no_message(data: bytes, code: str) -> None:
    with pytest.raises(WireError) as caught:
        container.split(memoryview(data), Limits(attachments=2, frame_bytes=64))
    assert caught.value.code == code


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    caught = None
    try:
        frames = container.split(memoryview(data))
    except WireError as error:
        caught = error
    if caught is None:
        assert packed([bytes(frame) for frame in frames]) == data
    else:
        assert caught.code in {"malformed", "too_large"}
