"""`maskbus models`: what it prints, and its exit codes."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskbus import config
from maskbus.cli import main, pull_progress
from maskbus.weights import manifest
from support.file_server import FileServer, cut, entry, serving

DATA = random.Random(9).randbytes(50_000)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("MASKBUS_CONFIG", "MASKBUS_WEIGHTS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MASKBUS_WEIGHTS", str(tmp_path / "w"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "w"


@pytest.fixture
def server(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    with serving() as server:
        server.files["/tested.pt"] = DATA
        entries = [
            entry(DATA, server.url + "/tested.pt"),
            entry(DATA[1:], server.url + "/other.pt", name="other", file="other.pt"),
        ]
        monkeypatch.setattr(manifest, "ENTRIES", {held.name: held for held in entries})
        monkeypatch.setattr("maskbus.cli.models_command.ENTRIES", manifest.ENTRIES)
        yield server


def test_both_variables_name_the_directory() -> None:
    effective = config.load(environment={"MASKBUS_WEIGHTS": "short"})
    assert effective.config.weights_dir == "short"
    assert effective.origin["weights_dir"] == "environment MASKBUS_WEIGHTS"
    assert not effective.warnings
    effective = config.load(environment={"MASKBUS_WEIGHTS": "short", "MASKBUS_WEIGHTS_DIR": "long"})
    assert effective.config.weights_dir == "long"


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize("command", [[], ["list"], ["pull"], ["verify"], ["path"]])
def test_every_command_has_help_with_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["models", *command, "--help"])
    assert ended.value.code == 0
    assert f"examples:\n  maskbus models {' '.join(command)}".rstrip() in capsys.readouterr().out


@pytest.mark.parametrize("command", [[], ["pull"], ["nonsense"], ["list", "mobile-sam"]])
def test_wrong_usage_is_exit_code_2(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["models", *command])
    assert ended.value.code == 2
    assert "usage: maskbus" in capsys.readouterr().err


def test_the_list(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory.mkdir()
    (directory / "mobile_sam.pt.part").write_bytes(bytes(40_728_226 * 2 // 5))
    (directory / "sam_vit_b_01ec64.pth").write_bytes(b"short")
    assert main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    words = [line.split() for line in lines]
    rows = {row[0]: " ".join(row) for row in words if row and row[0] in manifest.ENTRIES}
    assert len(rows) == len(manifest.ENTRIES)
    assert rows["mobile-sam"] == "mobile-sam SAM 39 MiB Apache-2.0 partial 40 %"
    assert rows["sam-vit-b"] == "sam-vit-b SAM 358 MiB Apache-2.0 damaged"
    assert rows["sam2.1-hiera-large"] == "sam2.1-hiera-large SAM 2.1 856 MiB Apache-2.0 missing"
    assert f"directory: {directory}" in lines
    assert any("has 5 bytes" in line and "maskbus models pull sam-vit-b" in line for line in lines)


@pytest.mark.usefixtures("directory")
def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--json"]) == 0
    plain = {model["name"]: model for model in json.loads(capsys.readouterr().out)}
    assert plain["mobile-sam"]["state"] == "missing"
    assert plain["mobile-sam"]["size"] == 40_728_226
    assert "arXiv:2306.14289" in plain["mobile-sam"]["citation"]
    assert all(model["urls"] and model["licence"] for model in plain.values())
    assert all(bool(model["sha256"]) == bool(model["size"]) for model in plain.values()), "known both, or neither"


def test_a_model_is_pulled_listed_verified_and_found(
    server: FileServer, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script["/tested.pt"] = [cut(20_000)]
    assert main(["models", "path", "tested"]) == 1
    assert "get them (maskbus models pull tested" in capsys.readouterr().err
    assert main(["models", "pull", "tested"]) == 0
    out, err = capsys.readouterr()
    assert out == f"tested: {directory / 'tested.pt'}\n"
    assert "ended the connection early" in err
    assert main(["models", "pull", "tested", "tested"]) == 0
    assert len(server.requests) == 2
    capsys.readouterr()
    assert main(["models", "path", "tested"]) == 0
    assert Path(capsys.readouterr().out.strip()).read_bytes() == DATA
    assert main(["models", "verify"]) == 0
    assert "as published" in capsys.readouterr().out
    assert main(["models", "list"]) == 0
    assert "present" in capsys.readouterr().out


def test_verify_reads_what_is_remembered_too(
    server: FileServer, directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["models", "pull", "tested"])
    (directory / "tested.pt").write_bytes(bytes(len(DATA)))
    monkeypatch.setattr("maskbus.weights.digest.remembered", lambda path: server.tag("/tested.pt"))
    assert main(["models", "verify"]) == 1
    assert "does not have the published SHA-256" in capsys.readouterr().err
    assert main(["models", "verify", "other"]) == 1
    assert "missing" in capsys.readouterr().err


@pytest.mark.usefixtures("server")
def test_one_that_cannot_be_had_does_not_keep_the_others(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", "other", "tested"]) == 1
    out, err = capsys.readouterr()
    assert out == f"tested: {directory / 'tested.pt'}\n"
    assert err.startswith("maskbus: The weights of other could not be had: 127.0.0.1:")
    assert err.count("\n") == 1


@pytest.mark.usefixtures("server")
def test_from_a_directory_and_where_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    usb = tmp_path / "usb"
    usb.mkdir()
    (usb / "tested.pt").write_bytes(DATA)
    (usb / "other.pt").write_bytes(DATA[1:])
    there = tmp_path / "there"
    command = ["models", "pull", "tested", "other", "--from", str(usb), "--weights-dir", str(there)]
    assert main(command) == 0
    assert (there / "other.pt").read_bytes() == DATA[1:]
    assert main(["models", "pull", "tested", "other", "--from", str(usb / "tested.pt")]) == 1
    assert "name a directory" in capsys.readouterr().err


@pytest.mark.usefixtures("directory")
def test_a_model_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("pull", "verify", "path"):
        assert main(["models", command, "nonsense"]) == 1
        assert "'nonsense'; there are those of mobile-sam" in capsys.readouterr().err


def test_nothing_but_pull_opens_a_connection(
    server: FileServer, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["list"], ["list", "--json"], ["verify"], ["path"], ["path", "tested"]):
        main(["models", *command])
    assert not server.requests
    assert not directory.exists()
    assert f"There are no weights in {directory}." in capsys.readouterr().out


def test_lines_come_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter(range(0, 100, 3))
    monkeypatch.setattr(pull_progress.time, "monotonic", lambda: next(clock))
    lines = pull_progress.Lines("tested")
    for done in range(1, 6):
        lines.advances(done << 20, 10 << 20)
    lines.advances(5 << 20, None)
    assert capsys.readouterr().err.splitlines() == [
        "tested: 2.0 MiB of 10 MiB, 20 %",
        "tested: 4.0 MiB of 10 MiB, 40 %",
        "tested: 5.0 MiB",
    ]


@pytest.mark.usefixtures("server")
def test_a_terminal_gets_a_bar(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    directory.mkdir()
    (directory / "tested.pt").write_bytes(b"damaged")
    assert main(["models", "pull", "tested"]) == 0
    assert "it is replaced" in screen.getvalue()
    assert "48.8/48.8 KiB" in screen.getvalue()
