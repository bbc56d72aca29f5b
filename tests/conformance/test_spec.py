"""Hold SPEC.md against the types: every table, name by name."""

import dataclasses
import json
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from msgspec import inspect

from maskbus.everything.presets import PRESETS
from maskbus.interfaces import EverythingSettings
from maskbus_wire import grid, prompts, replies, requests
from maskbus_wire.errors import CODES, RETRYABLE
from maskbus_wire.image_checks import IMAGE_ENCODINGS
from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.raw_image import CHANNELS
from maskbus_wire.version import VERSION

PROTOCOLS = Path(__file__).resolve().parents[2] / "protocols"
SPEC = (PROTOCOLS / "SPEC.md").read_text(encoding="utf-8")
HEADING = re.compile(
    r"### `(?P<name>\w+)`(?: extends `(?P<base>\w+)`)?(?:, `(?P<field>op|reply)` is `(?P<tag>[\w.]+)`)?"
)
SIMPLE = {
    inspect.BoolType: "bool",
    inspect.IntType: "int",
    inspect.FloatType: "float",
    inspect.StrType: "text",
    inspect.BytesType: "bin",
    inspect.AnyType: "any",
}


def structs():
    found = {}
    for module in (prompts, requests, replies):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, msgspec.Struct) and value is not msgspec.Struct:
                found[value.__name__] = value
    return found


STRUCTS = structs()


def sections():
    """Return heading line → lines under it, for the headings of structs."""
    found, lines = {}, None
    for line in SPEC.splitlines():
        if line.startswith("#"):
            lines = found.setdefault(line, []) if line.startswith("### `") else None
        elif lines is not None:
            lines.append(line)
    return found


def table(lines, header):
    """Return the rows of the first table under `header`, cells without their code marks."""
    if header not in lines:
        return []
    rows = []
    for line in lines[lines.index(header) + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return rows


SECTIONS = {HEADING.fullmatch(heading)["name"]: (heading, lines) for heading, lines in sections().items()}


def notation(kind):
    if isinstance(kind, inspect.UnionType):
        (inner,) = [item for item in kind.types if not isinstance(item, inspect.NoneType)]
        return notation(inner) + "?"
    if isinstance(kind, inspect.ListType):
        return f"[{notation(kind.item_type)}]"
    if isinstance(kind, inspect.TupleType):
        return f"[{', '.join(map(notation, kind.item_types))}]"
    if isinstance(kind, inspect.DictType):
        return f"{{{notation(kind.key_type)}: {notation(kind.value_type)}}}"
    if isinstance(kind, inspect.LiteralType):
        if set(kind.values) == set(get_args(requests.Encoding)):
            return "Encoding"
        return " or ".join(sorted(json.dumps(value) for value in kind.values))
    if isinstance(kind, inspect.StructType):
        return kind.cls.__name__
    return SIMPLE[type(kind)]


def any_order(text):
    """Sort the choices of a type such as `"b" or "a"`, in brackets or not."""
    inner = text.strip("[]?")
    return text.replace(inner, " or ".join(sorted(inner.split(" or "))))


def default(field):
    if field.required:
        return "—"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    value = msgspec.to_builtins(value)
    return "nil" if value is None else json.dumps(value)


def own_fields(kind):
    inherited = {name for base in kind.__bases__ for name in getattr(base, "__struct_fields__", ())}
    return [field for field in inspect.type_info(kind).fields if field.name not in inherited]


def test_every_struct_has_a_section_and_every_section_a_struct():
    assert SECTIONS.keys() == STRUCTS.keys()


@pytest.mark.parametrize("name", STRUCTS)
def test_the_heading_names_base_and_tag(name):
    heading = HEADING.fullmatch(SECTIONS[name][0])
    kind = STRUCTS[name]
    base = kind.__bases__[0]
    assert heading["base"] == (None if base is msgspec.Struct else base.__name__)
    tagged = [*requests.OPERATIONS.values(), *replies.REPLIES.values()]
    if kind in tagged:
        config = kind.__struct_config__
        assert (heading["field"], heading["tag"]) == (config.tag_field, config.tag)
    else:
        assert heading["tag"] is None


@pytest.mark.parametrize("name", STRUCTS)
def test_the_table_has_the_fields(name):
    rows = table(SECTIONS[name][1], "| name | type | default | meaning |")
    fields = own_fields(STRUCTS[name])
    assert [row[0] for row in rows] == [field.encode_name for field in fields]
    assert [any_order(row[1]) for row in rows] == [notation(field.type) for field in fields]
    assert [row[2] for row in rows] == [default(field) for field in fields]
    assert all(row[3] for row in rows), "a field without a meaning"


def test_the_fields_of_a_base_come_first():
    for kind in STRUCTS.values():
        base = kind.__bases__[0]
        inherited = getattr(base, "__struct_fields__", ())
        assert kind.__struct_fields__[: len(inherited)] == inherited


def test_limits():
    rows = table(SPEC.splitlines(), "| name | default | meaning |")
    assert {name: int(value) for name, value, _ in rows} == dataclasses.asdict(DEFAULT_LIMITS)
    assert [row[0] for row in rows] == list(dataclasses.asdict(DEFAULT_LIMITS))


def test_presets():
    rows = table(SPEC.splitlines(), "| setting | `default` | `dense` | `fast` |")
    assert [row[0] for row in rows] == list(requests.EverythingOptions.__struct_fields__)
    named = {
        preset: {row[0]: number(row[column]) for row in rows if row[column]}
        for column, preset in enumerate(("default", "dense", "fast"), start=1)
    }
    assert named["default"] == dataclasses.asdict(EverythingSettings())
    assert (named["dense"], named["fast"]) == (PRESETS["dense"], PRESETS["fast"])
    assert {preset: values["points_per_side"] for preset, values in named.items()} == grid.POINTS_PER_SIDE


def number(text):
    """Read what a cell of the presets' table says."""
    if text in ("true", "false"):
        return text == "true"
    above, _, below = text.partition(" / ")
    value = float(above) if "." in above else int(above)
    return value / int(below) if below else value


def test_error_codes():
    rows = table(SPEC.splitlines(), "| code | retry | meaning |")
    assert [row[0] for row in rows] == list(CODES)
    assert {row[0] for row in rows if row[1] == "yes"} == RETRYABLE
    assert {row[1] for row in rows} == {"yes", "no"}


def names_after(start):
    """Return the names in code marks of the sentence that begins with `start`."""
    sentence = SPEC[SPEC.index(start) :].partition(".\n")[0]
    return tuple(re.findall(r"`([^`]+)`", sentence))


def test_encodings():
    assert names_after("Image encodings:") == IMAGE_ENCODINGS
    rows = table(SPEC.splitlines(), "| encoding | bytes a pixel | channels |")
    assert {row[0]: int(row[1]) for row in rows} == CHANNELS
    rows = table(SPEC.splitlines(), "| encoding | where | bytes |")
    assert [row[0] for row in rows] == list(get_args(requests.Encoding))


def test_lanes():
    rows = table(SPEC.splitlines(), "| lane | for |")
    assert [row[0] for row in rows] == list(get_args(requests.Lane))


def test_versions():
    assert SPEC.startswith(f"# The maskbus wire, version {VERSION}\n")
    changes = (PROTOCOLS / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (.+)$", changes, re.MULTILINE)[1] == VERSION


def test_links_inside_lead_somewhere():
    titles = re.findall(r"^## (.+)$", SPEC, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", SPEC)) <= anchors


def test_header_examples_are_read_as_they_are_told():
    """The examples of section 11, by the code that reads and writes masks."""
    import numpy as np

    from maskbus_wire import bits, rle

    mask = np.array([[True, True], [False, True], [False, True]])
    assert rle.encode(mask) == "0122"
    assert "written `0122`" in SPEC
    assert bits.pack(np.array([[True, True, *[False] * 6, True]])).hex(" ") == "c0 80"
    assert "`c0 80`" in SPEC
