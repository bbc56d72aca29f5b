"""Hold section 17 of SPEC.md, and the golden headers and entries, against the structs, to the byte."""

import dataclasses
import json
import struct
import zlib
from pathlib import Path

import pytest

from maskbus_wire import shared_layout as layout
from maskbus_wire.shared_layout import Entry, Header

SPEC = (Path(__file__).resolve().parents[2] / "protocols" / "SPEC.md").read_text(encoding="utf-8")
SECTION = SPEC[SPEC.index("## 17. ") : SPEC.index("## 18. ")]
HEADER = Header(generation=0x1122334455667788, slots=3, slot_bytes=8192, token=bytes(range(100, 116)))
ENTRY = Entry(0x0102030405060708, 0x11, 0x12, 0x1314151617181920, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, -5)


def tables():
    """Return the tables of the section: head → rows."""
    found, rows = [], None
    for line in SECTION.splitlines():
        if not line.startswith("|"):
            rows = None
        elif rows is None:
            rows = []
            found.append(([cell.strip() for cell in line.strip("|").split("|")], rows))
        elif not line.startswith("|---"):
            rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return found


FIELDS = [rows for head, rows in tables() if head == ["offset", "bytes", "type", "field", "meaning"]]
(STATES,) = [rows for head, rows in tables() if head == ["state", "number", "owner", "meaning"]]


def read(data, rows):
    """Read bytes as a table says: field → value, and the bytes that no row names."""
    rest, values = bytearray(data), {}
    for offset, count, kind, field, _ in rows:
        where = slice(int(offset), int(offset) + int(count))
        part = bytes(data[where])
        assert not any(rest[where]) or bytes(rest[where]) == part, f"{field} overlaps another field"
        rest[where] = bytes(int(count))
        values[field] = part if kind == "bytes" else int.from_bytes(part, "little", signed=kind == "int")
        assert int(offset) % min(int(count), 8) == 0, f"{field} is not aligned"
    return values, bytes(rest)


def test_there_are_two_tables_of_fields_and_one_of_states():
    assert len(FIELDS) == 2
    assert [len(rows) for rows in (*FIELDS, STATES)] == [11, 11, 6]


def test_the_header_lies_as_its_table_says():
    values, rest = read(HEADER.pack(), FIELDS[0])
    assert values == {
        "magic": b"MASKBUS\0",
        "byte_order": 0x01020304,
        "major": 1,
        "minor": 0,
        "generation": HEADER.generation,
        "slots": 3,
        "entry_bytes": 128,
        "slot_bytes": 8192,
        "data_offset": 4096,
        "file_bytes": 4096 + 3 * 8192,
        "token": HEADER.token,
    }
    assert rest == bytes(layout.HEADER_BYTES)


def test_the_entry_lies_as_its_table_says():
    values, rest = read(ENTRY.pack(), FIELDS[1])
    assert values == dataclasses.asdict(ENTRY)
    assert rest == bytes(layout.ENTRY_BYTES)


def test_state_and_owner_stand_where_they_are_written_by_themselves():
    assert struct.unpack_from("<II", ENTRY.pack(), layout.STATE_OFFSET) == (ENTRY.state, ENTRY.owner)


def test_states_and_owners():
    for name, number, owner, _ in STATES:
        assert getattr(layout, name.upper()) == int(number)
        assert owner in ("nobody, or the client", "the client", "the node")
    assert f"{layout.NOBODY} nobody yet, {layout.CLIENT} the client, {layout.NODE} the node" in SECTION


def test_encodings_and_flags():
    (meaning,) = [row[4] for row in FIELDS[1] if row[3] == "encoding"]
    found = {}
    for part in meaning.split(", "):
        number, name = part.split(" ", 1)
        found[{"a message": "message"}.get(name, name.strip("`"))] = int(number)
    assert found == layout.ENCODINGS
    (meaning,) = [row[4] for row in FIELDS[1] if row[3] == "flags"]
    assert meaning.startswith(f"{layout.HAS_CHECKSUM}: there is a `checksum")


def test_where_slots_and_entries_begin():
    assert "begins at `data_offset` + i × `slot_bytes`" in SECTION
    assert "begins at 128 + 128 × i" in SECTION
    assert [HEADER.offset(i) for i in range(3)] == [4096, 12288, 20480]
    assert [layout.entry_offset(i) for i in range(3)] == [128, 256, 384]
    assert Header(0, 31, 4096).data_offset == 4096
    assert Header(0, 32, 4096).data_offset == 8192
    assert [layout.round_slot(nbytes) for nbytes in (0, 1, 4096, 4097)] == [4096, 4096, 4096, 8192]


def test_golden_headers_and_entries(every):
    def check(shared):
        data = bytes.fromhex(shared["bytes"]["$hex"])
        if shared.get("error"):
            with pytest.raises((layout.LayoutError, struct.error)):
                unpack(shared, data)
            return
        found = unpack(shared, data)
        for name, wanted in shared["fields"].items():
            value = getattr(found, name)
            assert value == (bytes.fromhex(wanted["$hex"]) if isinstance(wanted, dict) else wanted), name
        if "reserved" not in shared["name"] and "minor" not in shared["name"]:
            assert found.pack() == data

    every("shared", check)


def unpack(vector, data):
    return Header.unpack(data, vector["file_bytes"]) if vector["kind"] == "header" else Entry.unpack(data)


def test_the_golden_checksum_is_that_of_zlib(vectors_folder):
    vector = json.loads((vectors_folder / "shared" / "entry-checksum.json").read_text(encoding="utf-8"))
    assert vector["fields"]["checksum"] == zlib.crc32(bytes(range(48)))
    assert vector["fields"]["flags"] == layout.HAS_CHECKSUM


def test_every_field_state_and_encoding_has_a_golden_one(vectors_folder):
    vectors = [json.loads(path.read_text(encoding="utf-8")) for path in (vectors_folder / "shared").glob("*.json")]
    entries = [vector["fields"] for vector in vectors if vector["kind"] == "entry" and "fields" in vector]
    assert {fields["state"] for fields in entries} >= set(range(6))
    assert {fields["encoding"] for fields in entries} >= set(layout.ENCODINGS.values())
    for field in dataclasses.fields(Entry):
        assert any(fields[field.name] for fields in entries), field.name
    assert sum("error" in vector for vector in vectors) >= 15
