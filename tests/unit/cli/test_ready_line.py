"""The ready line says everything and can be read back."""

from __future__ import annotations

import pytest

from maskbus.cli import ready_line
from maskbus.cli.ready_line import ReadyLine


@pytest.mark.parametrize(
    "line",
    [
        ReadyLine("0.1.0", ["tcp://127.0.0.1:7710", "ipc:///run/x"], ["tcp://127.0.0.1:7711"], ["echo", "grabcut"]),
        ReadyLine("0.1.0", ["tcp://127.0.0.1:7710"], [], []),
    ],
)
def test_it_comes_back(line: ReadyLine) -> None:
    assert ready_line.parse(f"{line}\n") == line


def test_it_reads_well() -> None:
    line = ReadyLine("0.1.0", ["tcp://127.0.0.1:7710"], ["tcp://127.0.0.1:7711"], ["echo", "grabcut"])
    assert str(line) == "maskbus 0.1.0 ready: tcp://127.0.0.1:7710 (topics tcp://127.0.0.1:7711) models: echo, grabcut"


@pytest.mark.parametrize("text", ["", "maskbus", "Traceback (most recent call last):"])
def test_anything_else_is_none(text: str) -> None:
    assert ready_line.parse(text) is None
