import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from maskbus_wire import frames, header
from maskbus_wire.errors import CODES, WireError
from maskbus_wire.limits import DEFAULT_LIMITS, Limits
from maskbus_wire.prompts import Image, Prompt
from maskbus_wire.replies import REPLIES, Error, Masks, Pong
from maskbus_wire.requests import OPERATIONS, Ping, Segment

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | texts
    | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def values_of(kind):
    """Return a strategy for the values of a msgspec type."""
    if isinstance(kind, inspect.StructType):
        return structs_of(kind.cls)
    if isinstance(kind, inspect.UnionType):
        return st.one_of(*map(values_of, kind.types))
    if isinstance(kind, inspect.ListType):
        return st.lists(values_of(kind.item_type), max_size=3)
    if isinstance(kind, inspect.TupleType):
        return st.tuples(*map(values_of, kind.item_types))
    if isinstance(kind, inspect.DictType):
        return st.dictionaries(values_of(kind.key_type), values_of(kind.value_type), max_size=3)
    if isinstance(kind, inspect.LiteralType):
        return st.sampled_from(kind.values)
    return {
        inspect.NoneType: st.none(),
        inspect.BoolType: st.booleans(),
        inspect.IntType: st.integers(-(2**63), 2**63 - 1),
        inspect.FloatType: st.floats(allow_nan=False),
        inspect.StrType: texts,
        inspect.BytesType: st.binary(max_size=20),
        inspect.AnyType: anything,
    }[type(kind)]


def structs_of(cls):
    fields = {}
    for field in inspect.type_info(cls).fields:
        values = values_of(field.type)
        if field.name == "maskbus":
            values = st.sampled_from(["1.0", "1.7"])
        elif not field.required:
            default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
            values = st.just(default) | values
        fields[field.name] = values
    return st.builds(cls, **fields)


def decode(message, parts):
    plain, envelope = frames.open_header(parts)
    decoder = frames.decode_reply if isinstance(message, tuple(REPLIES.values())) else frames.decode_request
    return decoder(plain), envelope


@pytest.mark.parametrize("kind", [*OPERATIONS.values(), *REPLIES.values()], ids=lambda kind: kind.__name__)
def test_every_message_goes_round(kind):
    @given(structs_of(kind), st.lists(st.binary(max_size=9), max_size=3))
    def goes_round(message, attachments):
        parts = frames.encode(message, attachments)
        found, envelope = decode(message, parts)
        assert found == message
        assert parts[1:] == attachments
        assert envelope.id == message.id
        assert frames.encode(found, attachments) == parts

    goes_round()


def test_attachments_are_not_copied():
    data = memoryview(bytearray(b"pixels"))
    assert frames.encode(Ping(), [data])[1] is data


def test_version_and_operation_come_first_and_defaults_are_left_out():
    packed = frames.encode(Segment(image=Image(image_id="a"), prompt=Prompt(points=[(1.0, 2.0)])))[0]
    plain = header.unpack(packed, DEFAULT_LIMITS)
    assert list(plain) == ["maskbus", "op", "image", "encodings", "prompt"]
    assert plain["image"] == {"image_id": "a"}
    assert list(header.unpack(frames.encode(Error(code="busy", message="b"))[0], DEFAULT_LIMITS))[:2] == [
        "maskbus",
        "reply",
    ]


def refused(call, *arguments):
    with pytest.raises(WireError) as caught:
        call(*arguments)
    return caught.value


def failure(call, *arguments):
    try:
        call(*arguments)
    except WireError as error:
        return error
    return None


def request(**fields):
    return frames.decode_request({"maskbus": "1.4", "op": "segment", "image": {"image_id": "a"}, **fields})


def test_no_frames_are_malformed():
    assert refused(frames.open_header, []).code == "malformed"


def test_too_many_attachments_are_refused_before_the_header_is_read():
    parts = [b"\xc1", *[b""] * 3]
    assert refused(frames.open_header, parts, Limits(attachments=2)).code == "too_large"
    assert refused(frames.open_header, parts, Limits(attachments=3)).code == "malformed"


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_a_header_may_be_any_buffer(wrap):
    plain, _ = frames.open_header([wrap(frames.encode(Ping(id="1"))[0])])
    assert frames.decode_request(plain) == Ping(id="1")


def test_the_envelope_is_what_can_be_trusted():
    plain = {"id": "7", "stamp": 5, "frame_id": "cam", "stream": "s", "seq": -1, "op": 3}
    _, envelope = frames.open_header([header.pack(plain)])
    assert envelope == frames.Envelope("7", 5, "cam", "s", -1)
    hostile = {"id": 7, "stamp": "5", "frame_id": b"cam", "stream": "x" * 257, "seq": True}
    _, envelope = frames.open_header([header.pack(hostile)])
    assert envelope == frames.Envelope()


@pytest.mark.parametrize(("stamp", "kept"), [(2**63 - 1, True), (-(2**63), True), (2**63, False), (2**64 - 1, False)])
def test_the_envelope_holds_numbers_of_64_bits(stamp, kept):
    _, envelope = frames.open_header([header.pack({"stamp": stamp, "seq": stamp})])
    assert (envelope.stamp, envelope.seq) == ((stamp, stamp) if kept else (None, None))


@given(st.dictionaries(texts, anything, max_size=6), st.booleans())
def test_any_map_is_a_message_or_a_wire_error(plain, versioned):
    if versioned:
        plain = {**plain, "maskbus": "1.0", "op": "segment", "reply": "segment"}
    for decoder in (frames.decode_request, frames.decode_reply):
        error = failure(decoder, plain)
        assert error is None or error.code in CODES


@pytest.mark.parametrize("kind", ["image", "prompt", "options", "encodings", "publish", "lane", "stamp"])
def test_any_value_of_a_field_is_a_message_or_a_wire_error(kind):
    @given(anything)
    def check(value):
        error = failure(lambda: request(**{kind: value}))
        assert error is None or error.path.startswith(kind)

    check()


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "1.3", "1.4", "1.99"])
def test_every_minor_is_read(version):
    assert request(maskbus=version).maskbus == version


@pytest.mark.parametrize("version", ["2.0", "0.1", "10.0"])
def test_another_major_is_answered_with_the_versions_spoken(version):
    error = refused(lambda: request(maskbus=version))
    assert (error.code, error.path) == ("unsupported_version", "maskbus")
    assert error.detail == {"versions": ["1.4"]}


@pytest.mark.parametrize(
    "version", [None, 1, 1.0, "1", "", "1.", ".0", "a.b", "1.0.0", "1." + "0" * 15, "+1.0", b"1.0"]
)
def test_what_is_no_version_is_an_invalid_field(version):
    error = refused(lambda: request(maskbus=version))
    assert (error.code, error.path) == ("invalid_field", "maskbus")


def test_the_version_is_looked_at_before_the_operation():
    assert refused(frames.decode_request, {"maskbus": "2.0", "op": "fly"}).code == "unsupported_version"
    assert refused(frames.decode_request, {"maskbus": "1.0", "op": "fly"}).code == "unknown_operation"
    assert refused(frames.decode_request, {"maskbus": "1.0"}).path == "op"
    assert refused(frames.decode_reply, {"maskbus": "1.0", "reply": "fly"}).code == "unknown_operation"
    assert refused(frames.decode_reply, {"maskbus": "1.0", "reply": 5}).path == "reply"


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"image": {"attachment": "0"}}, "invalid_field", "image.attachment"),
        ({"image": {"attachment": True}}, "invalid_field", "image.attachment"),
        ({"image": {"data": "text"}}, "invalid_field", "image.data"),
        ({"prompt": {"points": [[1, 2], [3]]}}, "invalid_field", "prompt.points[1]"),
        ({"prompt": {"points": [[1, 2], [3, "4"]]}}, "invalid_field", "prompt.points[1][1]"),
        ({"prompt": {"labels": [1, 2]}}, "invalid_value", "prompt.labels[1]"),
        ({"prompt": {"mask": {"attachment": 0}}}, "invalid_field", "prompt.mask.encoding"),
        ({"prompt": {"mask": {"encoding": "gif"}}}, "unknown_encoding", "prompt.mask.encoding"),
        ({"encodings": ["rle", "gif"]}, "unknown_encoding", "encodings[1]"),
        ({"encodings": [5]}, "invalid_field", "encodings[0]"),
        ({"lane": "fast"}, "invalid_value", "lane"),
        ({"keep": 1}, "invalid_field", "keep"),
        ({"id": None}, "invalid_field", "id"),
        ({"options": []}, "invalid_field", "options"),
    ],
)
def test_what_is_wrong_is_named(fields, code, path):
    error = refused(lambda: request(**fields))
    assert (error.code, error.path) == (code, path)
    assert error.message.endswith((".", "…"))


def test_a_missing_field_is_named():
    assert refused(frames.decode_request, {"maskbus": "1.0", "op": "segment"}).path == "image"
    assert refused(frames.decode_request, {"maskbus": "1.0", "op": "release"}).path == "image_id"


@pytest.mark.parametrize("value", ["x" * 100_000, "fast` - at `$.evil`", "' - at `$.evil", "\n\r\t` - at `key` in `$`"])
def test_a_quoted_value_is_neither_long_nor_mistaken_for_a_path(value):
    error = refused(lambda: request(lane=value))
    assert (error.code, error.path) == ("invalid_value", "lane")
    assert len(error.message) < 300


def test_whole_numbers_are_floats():
    points = request(prompt={"points": [[1, 2**63]]}).prompt.points
    assert points == [(1.0, float(2**63))]
    assert all(isinstance(value, float) for value in points[0])


def test_not_a_number_comes_through_to_the_checks():
    assert math.isnan(request(prompt={"points": [[math.nan, 1.0]]}).prompt.points[0][0])


def test_unknown_fields_are_ignored_at_every_depth():
    plain = {"maskbus": "1.0", "reply": "ping", "node": "n", "version": "1", "uptime_s": 1, "endpoints": [], "new": {}}
    assert isinstance(frames.decode_reply({**plain, "publish_endpoints": []}), Pong)
    assert request(prompt={"points": [[1, 2]], "new": [1]}, image={"image_id": "a", "new": 1}) == Segment(
        image=Image(image_id="a"), prompt=Prompt(points=[(1.0, 2.0)])
    )


def test_a_reply_may_have_encodings_of_a_later_minor():
    plain = {
        "maskbus": "1.4",
        "reply": "segment",
        "model": "m",
        "width": 1,
        "height": 1,
        "masks": [],
        "encodings": ["new"],
    }
    message = frames.decode_reply(plain)
    assert isinstance(message, Masks)
    assert message.encodings == ["new"]
