"""Base64 text, plain and as data URLs."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskbus_wire import base64_text


@given(st.binary(max_size=200), st.sampled_from([None, "image/png", "application/octet-stream"]))
def test_round_trip(data, media_type):
    text = base64_text.encode(data, media_type)
    assert base64_text.decode(text, max_bytes=len(data)) == data


@given(st.binary(min_size=1, max_size=300))
def test_line_ends_are_allowed(data):
    text = base64.encodebytes(data).decode().replace("\n", "\r\n")
    assert base64_text.decode(text, max_bytes=len(data)) == data


def test_buffers_and_form():
    assert base64_text.encode(memoryview(b"abc")) == "YWJj"
    assert base64_text.encode(bytearray(b"abc"), "image/png") == "data:image/png;base64,YWJj"


@pytest.mark.parametrize(
    "text",
    ["data:;base64,YWJj", "DATA:image/png;BASE64,YWJj", "\n data:a/b;x=y;base64,\nYWJj\n", " YW\tJj "],
)
def test_forms_that_are_read(text):
    assert base64_text.decode(text, max_bytes=3) == b"abc"


def test_nothing_is_nothing():
    assert base64_text.decode("", max_bytes=0) == b""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("YWJ", "middle"),
        ("YWJjY", "middle"),
        ("YW-_", "alphabet"),
        ("YWJ\u00e9", "alphabet"),
        ("YW=j", "padding"),
        ("====", "padding"),
        ("Y===", "padding"),
        ("YWJj====", "padding"),
        ("YQ==YWJj", "padding"),
        ("YW%3D", "middle"),
        ("data:image/png,YWJj", "not Base64"),
        ("data:image/png;base64", "no comma"),
        ("data:" + "a" * 300 + ";base64,YWJj", "no comma"),
    ],
)
def test_malformed_text(text, message):
    with pytest.raises(ValueError, match=message):
        base64_text.decode(text, max_bytes=1000)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 1000])
def test_the_cap_is_exact(size):
    text = base64_text.encode(bytes(size))
    assert base64_text.decode(text, max_bytes=size) == bytes(size)
    if size:
        with pytest.raises(ValueError, match="allowed"):
            base64_text.decode(text, max_bytes=size - 1)


def test_a_long_text_is_refused_unread():
    with pytest.raises(ValueError, match="characters"):
        base64_text.decode("?" * 1_000_000, max_bytes=100)


@given(st.text(max_size=60))
def test_any_text_gives_bytes_or_a_value_error(text):
    try:
        base64_text.decode(text, max_bytes=1000)
    except ValueError:
        return


@pytest.mark.parametrize("decoder", ["pybase64", "base64"])
def test_both_decoders_agree(monkeypatch, decoder):
    module = pytest.importorskip(decoder)
    monkeypatch.setattr(base64_text, "_decode", module.b64decode)
    assert base64_text.decode("AAEC\r\nAwQ=", max_bytes=9) == bytes(range(5))
    for text in ("AA=A", "AAA", "A===", "=AAA", "AAAA=", "AA-_", "AAA\u00e4", "AA==AA==", "AAA=\x00", "AAAA\x0bAAA"):
        with pytest.raises(ValueError, match="Base64"):
            base64_text.decode(text, max_bytes=99)
