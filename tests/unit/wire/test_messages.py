import dataclasses
from typing import get_args

import msgspec
import pytest

from maskbus_wire import errors, everything_checks, grid, prompts, replies, requests, version
from maskbus_wire.limits import DEFAULT_LIMITS, Limits

STRUCTS = [
    value
    for module in (prompts, requests, replies)
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, msgspec.Struct) and value is not msgspec.Struct
]


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_structs_are_frozen_keyword_only_and_leave_out_defaults(kind):
    config = kind.__struct_config__
    assert config.frozen
    assert config.omit_defaults
    assert not config.forbid_unknown_fields
    with pytest.raises(TypeError):
        kind("positional")


def test_every_operation_has_a_reply():
    unasked = {"error", "progress", "stream.credit", "frame"}
    assert requests.OPERATIONS.keys() == replies.REPLIES.keys() - unasked
    assert set(get_args(requests.AnyRequest)) == set(requests.OPERATIONS.values())
    assert set(get_args(replies.AnyReply)) == set(replies.REPLIES.values())


@pytest.mark.parametrize(
    ("table", "field"), [(requests.OPERATIONS, "op"), (replies.REPLIES, "reply")], ids=["requests", "replies"]
)
def test_tags_are_the_names_in_the_tables(table, field):
    for name, kind in table.items():
        assert (kind.__struct_config__.tag_field, kind.__struct_config__.tag) == (field, name)


def test_a_mask_has_a_field_for_each_encoding_of_single_masks():
    single = set(get_args(requests.Encoding)) - {"labels", "overlay"}
    assert single <= set(replies.Mask.__struct_encode_fields__)
    assert {"labels", "overlay"} <= set(replies.Masks.__struct_encode_fields__)


def test_defaults_are_not_shared():
    first = requests.Segment(image=prompts.Image(image_id="a"))
    second = requests.Segment(image=prompts.Image(image_id="a"))
    assert first == second
    assert first.encodings is not second.encodings
    assert first.options is not second.options


def test_codes_are_names_with_a_sentence():
    for code, meaning in errors.CODES.items():
        assert code.isidentifier()
        assert code == code.lower()
        assert meaning.endswith(".")
    assert errors.CODES.keys() >= errors.RETRYABLE


def test_a_wire_error_carries_code_sentence_path_and_detail():
    error = errors.WireError("busy", "64 requests wait.", "model", queue_length=64)
    assert (error.code, error.message, error.path, error.detail) == (
        "busy",
        "64 requests wait.",
        "model",
        {"queue_length": 64},
    )
    assert str(error) == "64 requests wait."


def test_a_wire_error_has_a_code_of_the_list():
    with pytest.raises(ValueError, match="not an error code"):
        errors.WireError("too_hot", "Wait.")


def test_details_are_fields_of_the_error_reply():
    assert {"queue_length", "versions"} <= set(replies.Error.__struct_fields__)


def test_limits_are_positive_and_frozen():
    assert all(value > 0 for value in dataclasses.asdict(DEFAULT_LIMITS).values())
    with pytest.raises(dataclasses.FrozenInstanceError):
        Limits().points = 5


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ("1.0", 1),
        ("0.9", 0),
        ("12.34", 12),
        ("1." + "0" * 14, 1),
    ],
)
def test_the_major_of_a_version(text, major):
    assert version.major_of(text) == major


def test_the_minor_of_a_version():
    assert [version.minor_of(text) for text in ("1.0", "12.34", version.VERSION)] == [0, 34, version.MINOR]
    assert [version.minor_of(text) for text in ("1", "1.x", None, 1.2)] == [None] * 4


def test_settings_of_everything_mode_are_those_of_the_checks():
    """Every setting but the one that is no number has a range."""
    fields = requests.EverythingOptions.__struct_fields__
    assert [name for name in fields if name != "retry"] == list(everything_checks.RANGES)
    assert requests.Everything(image=prompts.Image(image_id="a")).preset in grid.POINTS_PER_SIDE


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "1.",
        ".1",
        "",
        "1.0.0",
        "-1.0",
        "1.-1",
        " 1.0",
        "1.0 ",
        "a.b",
        "².0",
        "١.0",
        "1." + "0" * 15,
        None,
        1,
        1.0,
        b"1.0",
    ],
)
def test_what_is_no_version_has_no_major(text):
    assert version.major_of(text) is None


def test_the_version_spoken_is_the_own_one():
    assert version.major_of(version.VERSION) == version.MAJOR
    assert version.VERSION in version.SPOKEN
    assert requests.Ping().maskbus == version.VERSION
