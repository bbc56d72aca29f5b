"""The flags of `maskbus child`: those of `serve` that do not say where a node listens, and a size."""

from __future__ import annotations

import argparse

import pytest

from maskbus.cli import flags, parser, quantities
from maskbus.config import Config


def test_flags_are_those_of_serve_but_for_where_it_listens() -> None:
    given = vars(parser.build().parse_args(["child"]))
    assert set(Config.__struct_fields__) - flags.IN_FILE_ONLY <= set(given)
    for name in parser.NOT_OF_A_CHILD:
        assert name in Config.__struct_fields__
        assert given[name] is None
    assert (given["mapping"], given["events"]) == (32 << 20, "")


@pytest.mark.parametrize("name", parser.NOT_OF_A_CHILD)
def test_where_it_listens_cannot_be_said(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser.build().parse_args(["child", f"--{name.replace('_', '-')}", "x"])
    assert ended.value.code == 2
    capsys.readouterr()


def test_other_settings_reach_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASKBUS_CONFIG", raising=False)
    arguments = parser.build().parse_args(["child", "--model", "echo", "--deadline-ms", "7", "--mapping", "1MiB"])
    assert flags.given(arguments) == {"models": ["echo"], "deadline_ms": 7}
    assert arguments.mapping == 1 << 20


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [
        ("1048576", 1 << 20),
        ("64MiB", 64 << 20),
        ("64mib", 64 << 20),
        (" 1.5 GiB ", 3 << 29),
        ("16 KiB", 16384),
        ("5MB", 5_000_000),
        ("2kb", 2000),
        ("9B", 9),
    ],
)
def test_sizes(text: str, nbytes: int) -> None:
    assert quantities.nbytes(text) == nbytes


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1 2", "1e6", "64Mi", "0x10", "nan", "1.MiB", "1" * 400])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="64MiB"):
        quantities.nbytes(text)
