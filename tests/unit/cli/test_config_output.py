"""What `maskbus config` prints is a configuration file again."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskbus import config
from maskbus.cli import main, toml_text
from maskbus.cli.config_command import as_toml
from maskbus.config import Config

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = """
bind = ["tcp://127.0.0.1:9000", "ipc:///tmp/with \\"quotes\\" and ü"]
preload = []
hang_grace_s = 0.25

[model.grabcut]
threads = 2
post = { fill_holes = 100, smooth = 1.5 }

[model."my model"]
handler = "package.module:Class"
devices = ["cuda:0", "cpu"]
options = { nested = { deep = [1, 2.5, true, "x\\ny"] }, since = 2024-01-02, "odd key" = 1 }

[route."in a hurry"]
models = ["grabcut", "my model"]
min_predicted_iou = 0.5
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASKBUS_CONFIG", *(f"MASKBUS_{field.upper()}" for field in Config.__struct_fields__)):
        monkeypatch.delenv(name, raising=False)


def reload(text: str, directory: Path) -> config.Effective:
    path = directory / "printed.toml"
    path.write_text(text, encoding="utf-8")
    return config.load(file=str(path), environment={})


def test_defaults_come_back(tmp_path: Path) -> None:
    effective = config.load(environment={})
    assert reload(as_toml(effective), tmp_path).config == effective.config


def test_everything_that_a_file_can_say_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(FILE, encoding="utf-8")
    effective = config.load(file=str(path), environment={"MASKBUS_QUEUE_LENGTH": "5"}, flags={"threads": 3})
    text = as_toml(effective)
    assert reload(text, tmp_path).config == effective.config
    assert f"# file {path}" in text
    assert "# environment MASKBUS_QUEUE_LENGTH" in text
    assert "# flag" in text


def test_each_setting_stands_on_one_line_with_its_origin() -> None:
    lines = as_toml(config.load(environment={})).splitlines()
    for name in set(Config.__struct_fields__) - {"model", "route", "preload"}:
        (line,) = [line for line in lines if line.startswith(f"{name} = ")]
        assert line.endswith("# default")
    assert any(line.startswith("# preload is left out") for line in lines)


def test_the_command_prints_it_and_warns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKBUS_TYPO", "1")
    assert main(["config", "--queue-length", "7"]) == 0
    output = capsys.readouterr()
    assert "queue_length = 7" in output.out
    assert "MASKBUS_TYPO" in output.err


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--json", "--no-ipc"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["settings"]["ipc"] == {"value": False, "origin": "flag"}
    assert plain["settings"]["bind"]["origin"] == "default"


def test_a_wrong_setting_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--bind", "nonsense"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("maskbus: bind (flag): ")
    assert output.err.count("\n") == 1


# TOML has no surrogates, and integers of 64 bits.
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | _texts | st.dates() | st.times()
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4), max_leaves=10
)


@given(_texts, _values)
def test_any_value_comes_back(key: str, value: Any) -> None:
    read = tomllib.loads(f"{toml_text.key(key)} = {toml_text.value(value)}  {toml_text.comment(key)}\n")
    assert same(read[key], value)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


def test_what_toml_cannot_say_is_refused() -> None:
    with pytest.raises(TypeError):
        toml_text.value(None)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:secret@here/0", "redis://:PASSWORD@here/0"),
        ("rediss://me:s3:c@ret@here:1/2", "rediss://me:PASSWORD@here:1/2"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_no_password_is_shown(url, shown, monkeypatch, capsys):
    monkeypatch.setenv("MASKBUS_REDIS_URL", url)
    assert main(["config"]) == 0
    assert f'redis_url = "{shown}"' in capsys.readouterr().out
    assert main(["config", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["redis_url"]["value"] == shown
