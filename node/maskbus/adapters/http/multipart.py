"""A multipart body (RFC 7578), taken apart in memory: its size has been looked at by then."""

from __future__ import annotations

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from maskbus.adapters.http.problems import Refused

_MOST_PARTS = 64


class Part:
    """One field of a form."""

    def __init__(self) -> None:
        self.headers: dict[str, bytes] = {}
        self.pieces: list[bytes] = []
        self.name = ""
        self.is_file = False

    @property
    def data(self) -> bytes:
        """The field's bytes."""
        return b"".join(self.pieces)


def parts_of(body: bytes, content_type: str) -> list[Part]:
    """Return the fields of a form in their order. Refused if it is none, or has more than 64 of them."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise Refused("malformed", "The Content-Type names no boundary.")
    collector = _Collector()
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": collector.begin,
                "on_header_field": collector.header_name,
                "on_header_value": collector.header_value,
                "on_header_end": collector.header_end,
                "on_headers_finished": collector.headers_end,
                "on_part_data": collector.data,
                "on_end": collector.end,
            },
        )
        parser.write(body)
        parser.finalize()
    except MultipartParseError as error:
        raise Refused("malformed", f"The body is no multipart form: {error}.") from None
    if not collector.ended:
        raise Refused("malformed", "The multipart form stops before its end.")
    return collector.parts


class _Collector:
    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._name = self._value = b""

    def begin(self) -> None:
        if len(self.parts) == _MOST_PARTS:
            raise Refused("too_large", f"A form has at most {_MOST_PARTS} fields.")
        self.parts.append(Part())

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        self.parts[-1].headers[self._name.decode("latin-1").lower()] = self._value
        self._name = self._value = b""

    def headers_end(self) -> None:
        part = self.parts[-1]
        kind, options = parse_options_header(part.headers.get("content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise Refused("malformed", "A part of the multipart form has no name.")
        part.name = options[b"name"].decode("utf-8", "replace")
        part.is_file = b"filename" in options

    def data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].pieces.append(data[start:end])

    def end(self) -> None:
        self.ended = True
