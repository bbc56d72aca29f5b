import datetime
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskbus
from maskbus.results import key, key_of
from maskbus_wire.prompts import Prompt
from maskbus_wire.requests import EverythingOptions, PostProcessing

FLOATS = st.floats(allow_nan=False) | st.just(math.nan)
SIMPLE = st.none() | st.booleans() | st.integers() | FLOATS | st.text() | st.binary()
VALUES = st.recursive(
    SIMPLE | st.sampled_from([0, 0.0, False, "", b"", "0", 1, 1.0, True, -0.0, [], {}, [[]], [{}], None]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)


def same(one, other) -> bool:
    """Tell whether two values are the same question, kind by kind."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return type(one) is type(other) and one == other


@given(VALUES, VALUES)
def test_keys_are_the_same_where_the_questions_are(one, other):
    assert (key_of({"a": one}) == key_of({"a": other})) == same(one, other)


@given(st.dictionaries(st.text(), VALUES), st.randoms())
def test_the_order_of_entries_does_not_matter(parts, random):
    names = list(parts)
    random.shuffle(names)
    assert key_of({name: parts[name] for name in names}) == key_of(parts)


@given(st.lists(SIMPLE, max_size=5), st.integers(0, 5))
def test_what_stands_side_by_side_is_not_what_stands_together(values, where):
    assert key_of({"a": values[:where], "b": values[where:]}) != key_of({"a": values, "b": None})
    assert key_of({"a": [values[:where], values[where:]]}) != key_of({"a": values})


def test_alike_and_yet_others():
    values = [1, 1.0, True, "1", b"1", [1], {"1": 1}, None, 0, 0.0, -0.0, False, "", b"", [], {}, "n", "i1:1", -1]
    assert len({key_of({"a": value}) for value in values}) == len(values)


def test_a_key_is_forty_digits():
    made = key_of({})
    assert len(made) == 40
    assert int(made, 16) >= 0


def test_lists_and_tuples_and_kinds_of_bytes_are_the_same():
    assert key_of({"a": (1, (2,))}) == key_of({"a": [1, [2]]})
    assert key_of({"a": b"xyz"}) == key_of({"a": bytearray(b"xyz")}) == key_of({"a": memoryview(b"xyz")})


def test_the_wires_structs_count_by_what_they_say():
    prompt = Prompt(points=[(1.0, 2.0)])
    assert key_of({"a": prompt}) == key_of({"a": Prompt(points=[(1.0, 2.0)], labels=[])})
    assert key_of({"a": prompt}) != key_of({"a": Prompt(points=[(1.0, 2.5)])})
    assert key_of({"a": PostProcessing(min_area=3)}) != key_of({"a": EverythingOptions(min_area=3)})


def test_what_a_models_options_may_hold_as_well():
    day = datetime.date(2024, 2, 29)
    assert key_of({"a": day}) == key_of({"a": datetime.date(2024, 2, 29)})
    assert key_of({"a": day}) != key_of({"a": "2024-02-29"})
    assert key_of({"a": 10**5000}) != key_of({"a": 10**5000 + 1})


@pytest.mark.parametrize("value", [object(), {1: 2}, {b"a": 1}, [len], lambda: None])
def test_what_cannot_be_told_apart_is_no_part_of_a_key(value):
    with pytest.raises(TypeError):
        key_of({"a": value})


@pytest.mark.parametrize(("module", "name"), [(key, "VERSION"), (maskbus, "__version__")])
def test_another_version_asks_anew(monkeypatch, module, name):
    before = key_of({"a": 1})
    monkeypatch.setattr(module, name, "1.99")
    assert key_of({"a": 1}) != before


def test_another_process_makes_the_same_key():
    program = "from maskbus.results import key_of; print(key_of({'a': {'x', 'y', 'z'}, 'b': [1, 2.5, 'q', b'r']}))"
    keys = {subprocess.check_output([sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}) for seed in "12"}
    assert keys == {f"{key_of({'a': {'x', 'y', 'z'}, 'b': [1, 2.5, 'q', b'r']})}\n".encode()}
