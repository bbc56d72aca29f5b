"""The flags of `serve` and `config` are the fields of the configuration."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from maskbus import config, documented
from maskbus.cli import flags
from maskbus.config import Config, ConfigError


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASKBUS_CONFIG", *(f"MASKBUS_{field.upper()}" for field in Config.__struct_fields__)):
        monkeypatch.delenv(name, raising=False)


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    flags.add(parser)
    return parser.parse_args(arguments)


def test_every_field_but_the_tables_has_a_flag() -> None:
    parsed = vars(parse())
    assert set(parsed) == set(Config.__struct_fields__) - flags.IN_FILE_ONLY | {"config"}


def test_every_field_is_documented() -> None:
    found = documented.of(Config)
    assert set(found) == set(Config.__struct_fields__)
    assert all(text.endswith(".") for text in found.values())


def test_help_names_every_default_and_survives_formatting() -> None:
    parser = argparse.ArgumentParser()
    flags.add(parser)
    words = parser.format_help()
    assert "--queue-length N" in words
    assert "(default: 64)" in words
    assert "tcp://127.0.0.1:7710" in words


def test_flags_that_are_not_given_are_not_in_the_way() -> None:
    assert flags.given(parse()) == {}
    assert flags.load(parse()).config == Config()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["--bind", "tcp://127.0.0.1:1", "--bind", "tcp://127.0.0.1:2"],
            {"bind": ["tcp://127.0.0.1:1", "tcp://127.0.0.1:2"]},
        ),
        (["--model", "echo", "--model", "grabcut"], {"models": ["echo", "grabcut"]}),
        (["--no-ipc"], {"ipc": False}),
        (["--ipc"], {"ipc": True}),
        (["--no-preload"], {"preload": []}),
        (["--preload", "echo"], {"preload": ["echo"]}),
        (["--queue-length", "8"], {"queue_length": 8}),
        (["--heartbeat-s", "0.5"], {"heartbeat_s": 0.5}),
        (["--worker-memory-bytes", "0"], {"worker_memory_bytes": 0}),
    ],
)
def test_flags_become_settings(arguments: list[str], expected: dict[str, Any]) -> None:
    parsed = parse(*arguments)
    assert flags.given(parsed) == expected
    effective = flags.load(parsed)
    for name, value in expected.items():
        assert getattr(effective.config, name) == value
        assert effective.origin[name] == "flag"


def test_flags_go_before_the_environment_and_that_before_the_file(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "node.toml"
    file.write_text("queue_length = 1\nthreads = 1\ndeadline_ms = 1\n")
    monkeypatch.setenv("MASKBUS_QUEUE_LENGTH", "2")
    monkeypatch.setenv("MASKBUS_THREADS", "2")
    loaded = flags.load(parse("--config", str(file), "--queue-length", "3")).config
    assert (loaded.queue_length, loaded.threads, loaded.deadline_ms) == (3, 2, 1)


def test_an_impossible_flag_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match=r"queue_length \(flag\)"):
        flags.load(parse("--queue-length", "0"))


def test_units_are_named() -> None:
    parser = argparse.ArgumentParser()
    flags.add(parser)
    words = parser.format_help()
    assert "--deadline-ms MS" in words
    assert "--image-bytes BYTES" in words
    assert f"{Config().image_bytes // config.MIB} MiB" in words
