"""Headers and entries of shared memory, to the byte: what they say, or that a reader must refuse them."""

from __future__ import annotations

import dataclasses
import struct
import zlib
from typing import Any

from maskbus_wire import shared_layout as layout
from maskbus_wire.shared_layout import Entry, Header
from source.vector import Json, to_json

_HEADER = Header(generation=0x5EED_0123_4567_89AB, slots=3, slot_bytes=6_221_824)
_OFFSETS = {"magic": 0, "byte_order": 8, "major": 12, "minor": 14, "slots": 24, "entry_bytes": 28, "slot_bytes": 32}
_OFFSETS |= {"data_offset": 40, "file_bytes": 48}
_FORMATS = {"major": "<H", "minor": "<H", "byte_order": "<I", "slots": "<I", "entry_bytes": "<I"}
_PIXELS = bytes(range(48))


def vectors() -> dict[str, Json]:
    """Return them by name."""
    return {**_headers(), **_refused(), **_entries()}


def _headers() -> dict[str, Json]:
    smallest = Header(generation=0, slots=1, slot_bytes=layout.ALIGNMENT)
    largest = Header(generation=2**63 - 1, slots=layout.MOST_SLOTS, slot_bytes=2**40)
    secret = dataclasses.replace(_HEADER, token=bytes(range(1, 17)))
    return {
        "header": _header("Three slots for images of 1920 × 1080 pixels.", _HEADER),
        "header-smallest": _header("One slot of one page.", smallest),
        "header-largest": _header("As many slots as there can be, of more bytes than 32 bits count.", largest),
        "header-token": _header("With a token, as between parent and child.", secret),
        "header-minor": _header("A later minor version: a reader takes any.", _HEADER, _put(_HEADER, minor=7)),
        "header-reserved": _header(
            "Reserved bytes that a later minor version uses: a reader does not look.",
            _HEADER,
            _put(_HEADER, minor=1)[:56] + b"\xff" * 8 + _HEADER.pack()[64:80] + b"\xff" * 48,
        ),
        "header-long-file": _header("The file is longer than its slots take.", _HEADER, more=layout.ALIGNMENT),
    }


def _refused() -> dict[str, Json]:
    table = 2**58  # 64 slots of it and the table are 2^64 + 12288 bytes: in 64 bits, no more than the table
    wrapped = _put(Header(1, 64, layout.ALIGNMENT), slot_bytes=table, data_offset=12288, file_bytes=12288)
    return {
        "header-cut": _refuse("Not even a header.", _HEADER.pack()[:127], 127),
        "header-magic": _refuse("Another magic.", _put(_HEADER, magic=b"MASKBUS1")),
        "header-zeros": _refuse("Nothing but zeros.", bytes(layout.HEADER_BYTES)),
        "header-byte-order": _refuse("Written in the other byte order.", _put(_HEADER, byte_order=0x04030201)),
        "header-major": _refuse("Another major version.", _put(_HEADER, major=2)),
        "header-major-0": _refuse("A major version that never was.", _put(_HEADER, major=0)),
        "header-no-slots": _refuse("No slots.", _put(_HEADER, slots=0)),
        "header-many-slots": _refuse("More than 64 slots.", Header(1, 65, 4096).pack(), Header(1, 65, 4096).file_bytes),
        "header-entry-bytes": _refuse("Entries of another size.", _put(_HEADER, entry_bytes=64)),
        "header-empty-slots": _refuse("Slots of no bytes.", Header(1, 3, 0).pack(), Header(1, 3, 0).file_bytes),
        "header-odd-slots": _refuse(
            "Slots that are no multiple of 4096.", Header(1, 3, 6_220_800).pack(), Header(1, 3, 6_220_800).file_bytes
        ),
        "header-data-offset": _refuse("Slots that begin inside the table.", _put(_HEADER, data_offset=128)),
        "header-data-late": _refuse("Slots that begin a page late.", _put(_HEADER, data_offset=8192)),
        "header-file-bytes": _refuse(
            "Fewer bytes than the slots take, and a file of so many.", _put(_HEADER, file_bytes=4096), 4096
        ),
        "header-short-file": _refuse("The file has been cut short.", _HEADER.pack(), _HEADER.file_bytes - 1),
        "header-wrapped": _refuse("Sizes whose product is more than 64 bits.", wrapped, 12288),
    }


def _entries() -> dict[str, Json]:
    pixels: dict[str, Any] = {"length": 48, "width": 4, "height": 4, "encoding": layout.ENCODINGS["rgb8"]}
    written: dict[str, Any] = {"generation": 2, "state": layout.WRITTEN, "owner": layout.CLIENT}
    node: dict[str, Any] = {"owner": layout.NODE}
    summed = {"flags": layout.HAS_CHECKSUM, "checksum": zlib.crc32(_PIXELS)}
    answer: dict[str, Any] = {"length": 2_073_600, "encoding": layout.ENCODINGS["masks"]}
    images = {
        f"entry-{name}": _entry(f"An image, {name}.", Entry(**written, **(pixels | {"encoding": number})))
        for name, number in layout.ENCODINGS.items()
        if name in ("mono8", "bgr8", "rgba8", "bgra8")
    }
    files = {
        f"entry-{name}": _entry(
            f"A file, {name}: it knows its size itself.", Entry(**written, length=48, encoding=layout.ENCODINGS[name])
        )
        for name in ("jpeg", "png", "webp")
    }
    return {
        "entry-untouched": _entry("As the node makes it: free, and nobody's.", Entry()),
        "entry-free": _entry("Set free by the client.", Entry(generation=4, state=layout.FREE, owner=layout.CLIENT)),
        "entry-writing": _entry(
            "The client writes.", Entry(generation=1, state=layout.WRITING, owner=layout.CLIENT, **pixels)
        ),
        "entry-written": _entry("A whole image, rgb8, rows packed.", Entry(**written, **pixels)),
        "entry-reading": _entry(
            "The node reads it.", Entry(generation=2, state=layout.READING, owner=layout.NODE, **pixels)
        ),
        "entry-answering": _entry("The node writes.", Entry(generation=1, state=layout.ANSWERING, **node)),
        "entry-answered": _entry(
            "Masks for the client.", Entry(generation=2, state=layout.ANSWERED, owner=layout.CLIENT, **answer)
        ),
        "entry-message": _entry(
            "A whole message, as between parent and child.",
            Entry(**written, length=41, encoding=layout.ENCODINGS["message"]),
        ),
        "entry-checksum": _entry("With the CRC-32 of the bytes 0 to 47.", Entry(**written, **pixels, **summed)),
        "entry-step": _entry("Rows 16 bytes apart.", Entry(**written, **(pixels | {"length": 60, "step": 16}))),
        "entry-stamp": _entry("With a time.", Entry(**written, **pixels, stamp=1_700_000_000_000_000_000)),
        "entry-stamp-negative": _entry("A time before 1970.", Entry(**written, **pixels, stamp=-1)),
        "entry-most": _entry(
            "Every field at its most, state, owner and encoding at numbers that mean nothing: a reader must not fall.",
            Entry(2**64 - 1, *[2**32 - 1] * 2, 2**64 - 1, *[2**32 - 1] * 6, 2**63 - 1),
        ),
        "entry-reserved": _entry(
            "Reserved bytes that a later minor version uses: a reader does not look.",
            Entry(**written, **pixels),
            Entry(**written, **pixels).pack()[:56] + b"\xff" * 72,
        ),
        "entry-cut": {
            "about": "An entry that ends too early.",
            "kind": "entry",
            "bytes": to_json(Entry(**written, **pixels).pack()[:127]),
            "error": True,
        },
        **images,
        **files,
    }


def _header(about: str, header: Header, data: bytes | None = None, *, more: int = 0) -> Json:
    data = header.pack() if data is None else data
    fields = dataclasses.asdict(header) | {"data_offset": header.data_offset, "file_bytes": header.file_bytes}
    return {**_file(about, data, header.file_bytes + more), "fields": to_json(fields)}


def _refuse(about: str, data: bytes, file_bytes: int = _HEADER.file_bytes) -> Json:
    return {**_file(about, data, file_bytes), "error": True}


def _file(about: str, data: bytes, file_bytes: int) -> Json:
    return {"about": about, "kind": "header", "bytes": to_json(data), "file_bytes": file_bytes}


def _entry(about: str, entry: Entry, data: bytes | None = None) -> Json:
    data = entry.pack() if data is None else data
    return {"about": about, "kind": "entry", "bytes": to_json(data), "fields": dataclasses.asdict(entry)}


def _put(header: Header, **values: Any) -> bytes:
    """Return the header's bytes with some fields changed."""
    data = bytearray(header.pack())
    for name, value in values.items():
        packed = value if isinstance(value, bytes) else struct.pack(_FORMATS.get(name, "<Q"), value)
        data[_OFFSETS[name] : _OFFSETS[name] + len(packed)] = packed
    return bytes(data)
