import struct
import tracemalloc
from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskbus_wire import header
from maskbus_wire.errors import WireError
from maskbus_wire.limits import DEFAULT_LIMITS

MEBIBYTE = 1024 * 1024
START = b"\x81\xa1a"
"""A map of one key, whose value follows."""


def unpack(buffer, **limits):
    return header.unpack(buffer, replace(DEFAULT_LIMITS, **limits))


def refused(buffer, **limits):
    with pytest.raises(WireError) as caught:
        unpack(buffer, **limits)
    assert caught.value.path == ""
    return caught.value.code


def verdict(buffer):
    try:
        value = header.unpack(buffer, DEFAULT_LIMITS)
    except WireError as error:
        return error.code
    return "a map" if isinstance(value, dict) else type(value)


def peak(buffer):
    """Return how much memory looking at a header took, in bytes."""
    tracemalloc.start()
    try:
        verdict(buffer)
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | texts
    | st.binary(max_size=40)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(texts, inner, max_size=18),
    max_leaves=25,
)
# Many keys, or deep values: both at once take seconds to draw, and are no other case.
headers = st.dictionaries(texts, scalars, max_size=18) | st.dictionaries(texts, values, max_size=3)


def depth(value):
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@given(headers)
def test_what_is_packed_is_unpacked(value):
    packed = header.pack(value)
    if depth(value) > DEFAULT_LIMITS.header_depth:
        assert refused(packed) == "too_large"
    else:
        assert unpack(packed) == value
        assert unpack(memoryview(packed)) == value


@given(headers, st.data())
def test_a_header_cut_anywhere_is_malformed(value, data):
    packed = header.pack(value)
    cut = data.draw(st.integers(0, len(packed) - 1))
    assert refused(packed[:cut], header_depth=1000) == "malformed"


@given(headers, st.binary(min_size=1, max_size=8))
def test_bytes_after_the_map_are_malformed(value, more):
    assert refused(header.pack(value) + more, header_depth=1000) == "malformed"


@given(st.binary(max_size=600))
def test_noise_raises_nothing_else(noise):
    for buffer in (noise, START + noise, b"\xdf" + noise):
        assert verdict(buffer) in {"a map", "malformed", "too_large"}


@given(headers, st.data())
def test_a_changed_byte_raises_nothing_else(value, data):
    packed = bytearray(header.pack(value))
    position = data.draw(st.integers(0, len(packed) - 1))
    packed[position] = data.draw(st.integers(0, 255))
    assert verdict(bytes(packed)) in {"a map", "malformed", "too_large"}


@given(values)
def test_the_walk_agrees_with_the_unpacker(value):
    """Whatever the walk lets through, msgpack reads to the end; what msgpack refuses, the walk refuses."""
    packed = msgpack.packb(value)
    if isinstance(value, dict):
        assert unpack(packed, header_depth=1000) == value
    else:
        assert refused(packed, header_depth=1000) == "malformed"


FORMS = {
    "fixint": (b"\x07", 7),
    "negative fixint": (b"\xff", -1),
    "nil": (b"\xc0", None),
    "bool": (b"\xc3", True),
    "uint8": (b"\xcc\xff", 255),
    "uint16": (b"\xcd\x01\x00", 256),
    "uint32": (b"\xce\x00\x00\x00\x01", 1),
    "uint64": (b"\xcf" + b"\xff" * 8, 2**64 - 1),
    "int8": (b"\xd0\x80", -128),
    "int16": (b"\xd1\x80\x00", -(2**15)),
    "int32": (b"\xd2\x80\x00\x00\x00", -(2**31)),
    "int64": (b"\xd3\x80" + bytes(7), -(2**63)),
    "float32": (b"\xca" + struct.pack(">f", 0.5), 0.5),
    "float64": (b"\xcb" + struct.pack(">d", 0.1), 0.1),
    "fixstr": (b"\xa2hi", "hi"),
    "str8": (b"\xd9\x02hi", "hi"),
    "str16": (b"\xda\x00\x02hi", "hi"),
    "str32": (b"\xdb\x00\x00\x00\x02hi", "hi"),
    "bin8": (b"\xc4\x02hi", b"hi"),
    "bin16": (b"\xc5\x00\x02hi", b"hi"),
    "bin32": (b"\xc6\x00\x00\x00\x02hi", b"hi"),
    "fixarray": (b"\x92\x01\x02", [1, 2]),
    "array16": (b"\xdc\x00\x02\x01\x02", [1, 2]),
    "array32": (b"\xdd\x00\x00\x00\x02\x01\x02", [1, 2]),
    "fixmap": (b"\x81\xa1b\x01", {"b": 1}),
    "map16": (b"\xde\x00\x01\xa1b\x01", {"b": 1}),
    "map32": (b"\xdf\x00\x00\x00\x01\xd9\x01b\x01", {"b": 1}),
    "empty array": (b"\x90", []),
    "empty map": (b"\x80", {}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_msgpack_is_read(form):
    packed, value = FORMS[form]
    assert unpack(START + packed) == {"a": value}
    for end in range(1, len(packed)):
        assert refused(START + packed[:end]) == "malformed"


@pytest.mark.parametrize("size", [0, 1, 2, 4, 8, 16, 200, 70_000])
@pytest.mark.parametrize("code", [0, 5, 127])
def test_extension_types_are_malformed(size, code):
    assert refused(header.pack({"a": msgpack.ExtType(code, bytes(size))})) == "malformed"


@pytest.mark.parametrize("seconds", [1, 2**33, 2**40])
def test_timestamps_are_malformed(seconds):
    assert refused(header.pack({"a": msgpack.Timestamp(seconds, 5)})) == "malformed"
    assert refused(START + b"\xc7\x00\xff") == "malformed"


@pytest.mark.parametrize("key", [b"\x01", b"\xc0", b"\xc3", b"\xc4\x01a", b"\x90", b"\x80", b"\xca\0\0\0\0"])
def test_keys_are_text_at_every_depth(key):
    assert refused(b"\x81" + key + b"\x01") == "malformed"
    assert refused(START + b"\x92\x01\x82\xa1b\x02" + key + b"\x01") == "malformed"


@pytest.mark.parametrize("value", [b"\xa1\xff", b"\xa3\xed\xa0\x80", b"\xa2\xc0\x80"])
def test_text_is_utf_8(value):
    assert refused(START + value) == "malformed"
    assert refused(b"\x81" + value + b"\x01") == "malformed"


@pytest.mark.parametrize("whole", [b"", b"\x90", b"\xc0", b"\xa2hi", b"\x01", b"\xc4\x00", b"\xc1"])
def test_a_header_is_a_map(whole):
    assert refused(whole) == "malformed"


def test_a_key_that_stands_twice_has_its_last_value():
    assert unpack(b"\x82\xa1a\x01\xa1a\x02") == {"a": 2}


def test_the_limit_of_values_is_exact():
    # The map itself, its key, the array, its elements.
    assert len(unpack(header.pack({"a": [1] * 37}), header_objects=40)["a"]) == 37
    assert refused(header.pack({"a": [1] * 38}), header_objects=40) == "too_large"
    assert refused(header.pack({"a": {str(i): i for i in range(19)}}), header_objects=40) == "too_large"
    assert unpack(header.pack({"a": {str(i): i for i in range(18)}}), header_objects=40)


def test_the_limit_of_depth_is_exact():
    assert unpack(START + b"\x91" * 10 + b"\x90")
    assert refused(START + b"\x91" * 11 + b"\x90") == "too_large"
    assert unpack(START * 12 + b"\xc0")
    assert refused(START * 12 + b"\x80") == "too_large"


def test_the_limit_of_bytes_is_exact():
    packed = header.pack({"a": bytes(90)})
    assert unpack(packed, frame_bytes=len(packed))
    assert refused(packed, frame_bytes=len(packed) - 1) == "too_large"


BOMBS = {
    "array of 4 billion": START + b"\xdd\xff\xff\xff\xff",
    "map of 4 billion": START + b"\xdf\xff\xff\xff\xff",
    "text of 4 GiB": START + b"\xdb\xff\xff\xff\xff",
    "bytes of 4 GiB": START + b"\xc6\xff\xff\xff\xff",
    "ext of 4 GiB": START + b"\xc9\xff\xff\xff\xff\x05",
    "each array as long as the rest": START
    + b"".join(b"\xdc" + (60_000 - 3 * i).to_bytes(2, "big") for i in range(1, 1000))
    + bytes(60_000),
    "arrays of 50,000 inside one another": START + b"\xdc\xc3\x50" * 20_000,
    "a million empty lists": START + b"\xdd\x00\x0f\x42\x40" + b"\x90" * 1_000_000,
    "a million empty maps": START + b"\xdd\x00\x0f\x42\x40" + b"\x80" * 1_000_000,
    "a million deep": START + b"\x91" * 1_000_000,
    "maps a million deep": START * 1_000_000,
    "many small maps": START + b"\xdd\x00\x04\x00\x00" + b"\x81\xa0\xc0" * 0x40000,
    "as many values as allowed, empty lists": START + b"\xdc\xc3\x4d" + b"\x90" * 49_997,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_cost_no_memory(bomb):
    assert peak(BOMBS[bomb]) < 8 * MEBIBYTE


@pytest.mark.parametrize("bomb", [name for name in BOMBS if "as allowed" not in name])
def test_bombs_are_refused(bomb):
    assert refused(BOMBS[bomb]) in {"malformed", "too_large"}


def test_large_data_in_a_header_are_no_bomb():
    packed = header.pack({"a": bytes(20 * MEBIBYTE), "b": "x" * MEBIBYTE})
    assert len(unpack(packed)["a"]) == 20 * MEBIBYTE


@given(
    st.lists(
        st.sampled_from(
            [
                b"\x91",
                b"\xdc\xff\xff",
                b"\xdd\x00\x00\xff\xff",
                b"\xde\xff\xff",
                b"\xa0",
                b"\xc6\x00\x10\x00\x00",
                b"\xc0",
            ]
        )
    )
)
def test_hostile_noise_costs_no_memory(parts):
    assert peak(START + b"".join(parts) * 50) < 4 * MEBIBYTE
