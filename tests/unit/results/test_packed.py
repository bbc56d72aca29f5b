import random
import struct
import zlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskbus.results.packed import pack, unpack
from maskbus_wire import frames, replies

ANSWER = replies.Masks(model="echo", width=5, height=4, masks=[], encodings=["rle"])


def answer(*attachments):
    return tuple(map(bytes, frames.encode(ANSWER, attachments)))


def signed(body: bytes) -> bytes:
    """Make a value whose checksum is right, whatever it says."""
    return b"mba1" + struct.pack("<I", zlib.crc32(body)) + body


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_there_and_back(attachments):
    parts = answer(*attachments)
    assert unpack(pack(parts)) == parts


@given(st.binary(max_size=300))
def test_whatever_lies_there_is_no_answer(data):
    assert unpack(data) is None
    assert unpack(signed(data)) is None


def test_every_damage_is_seen():
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    data = pack(answer(b"one", b"", b"three" * 20))
    for position in range(len(data)):
        wrong = bytearray(data)
        wrong[position] ^= 1 << rng.randrange(8)
        assert unpack(bytes(wrong)) is None
        assert unpack(data[:position]) is None
    assert unpack(data + b"\0") is None


@pytest.mark.parametrize(
    "lengths",
    [[2**32 - 1] * 4, [0] * 5000, [2**31], []],
    ids=["more than there is", "too many", "one beyond", "none"],
)
def test_numbers_that_lie_cost_nothing(lengths):
    assert unpack(signed(struct.pack(f"<I{len(lengths)}I", len(lengths), *lengths))) is None
    assert unpack(signed(struct.pack("<I", 2**32 - 1))) is None


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x80",
        b"\xc1",
        frames.encode(replies.Error(code="internal", message="?"))[0],
        frames.encode(replies.Pong(node="n", version="1", uptime_s=1.0, endpoints=[], publish_endpoints=[]))[0],
        msgpack.packb({"maskbus": "9.0", "reply": "segment"}),
        msgpack.packb({"maskbus": "1.4", "reply": "segment", "masks": 3}),
        msgpack.packb([1, 2]),
    ],
)
def test_what_is_no_answer_of_a_model_is_none(header):
    assert unpack(pack([header])) is None


def test_answers_of_both_kinds_and_with_many_masks():
    masks = [replies.Mask(bbox=(0, 0, 1, 1), area=1, predicted_iou=0.5, stability_score=0.5) for _ in range(10_000)]
    found = replies.FoundMasks(model="echo", width=5, height=4, masks=masks)
    parts = tuple(map(bytes, frames.encode(found)))
    assert unpack(pack(parts)) == parts
