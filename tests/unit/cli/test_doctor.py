"""What `maskbus doctor` finds, and what it makes of it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maskbus.cli import examination, main
from maskbus.config import Config
from maskbus.engine import catalogue
from maskbus.engine.catalogue import Card, Catalogue


def card(name: str, **changes: Any) -> Card:
    known: dict[str, Any] = {
        "name": name,
        "target": "package:Class",
        "title": name,
        "prompts": frozenset({"points"}),
        "licence": "Apache-2.0",
        "weights": "none needed",
        "ready": True,
        "missing": "",
        "multimask": False,
        "has_logits": False,
    }
    return Card(**{**known, **changes})


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Catalogue], None]:
    """Put a machine in order, but for what the test changes."""
    for name in ("MASKBUS_CONFIG", *(f"MASKBUS_{field.upper()}" for field in Config.__struct_fields__)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MASKBUS_ENDPOINT", f"ipc://{tmp_path}/nobody")
    monkeypatch.setattr("maskbus.cli.connection.look", lambda endpoint: None)
    monkeypatch.setattr(examination, "_version", lambda name: None if name == "torch" else "1.0")

    def install(found: Catalogue) -> None:
        monkeypatch.setattr(catalogue, "read", lambda config, *, everything: found)

    install(Catalogue({"nano": card("nano")}))
    return install


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    code = main(["doctor", "--json", *arguments])
    plain = json.loads(capsys.readouterr().out)
    assert plain["healthy"] == (code == 0)
    return code, {finding["name"]: finding for finding in plain["findings"]}


@pytest.mark.usefixtures("healthy")
def test_a_machine_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = report(capsys)
    assert code == 0
    assert found["nano (default)"]["state"] == "ok"
    assert found["torch"]["state"] == "note"
    assert "libzmq" in found["pyzmq"]["words"]
    assert "free" in found["shared memory"]["words"]
    assert {"python", "maskbus", "msgpack", "msgspec", "numpy", "pillow", "opencv", "ipc sockets"} <= set(found)
    assert {"open-clip-torch", "redis", "starlette", "uvicorn", "python-multipart", "prometheus-client"} <= set(found)
    assert "redis_url" not in found  # no redis is configured


@pytest.mark.usefixtures("healthy")
def test_it_reads_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "✓ nano (default)" in text
    assert "· torch" in text
    assert text.endswith("The default model can run.\n")
    assert "\x1b" not in text  # colours are for terminals


def test_a_default_model_that_cannot_run_is_a_failure(
    healthy: Callable[[Catalogue], None], capsys: pytest.CaptureFixture[str]
) -> None:
    healthy(Catalogue({"nano": card("nano", ready=False, missing="Its weights: run this.")}))
    code, found = report(capsys)
    assert code == 1
    assert "Its weights: run this." in found["nano (default)"]["words"]


def test_another_model_that_cannot_run_is_not(
    healthy: Callable[[Catalogue], None], capsys: pytest.CaptureFixture[str]
) -> None:
    big = card("big", ready=False, missing="torch.")
    hidden = card("hidden", offered=False)
    models = {"nano": card("nano"), "big": big, "hidden": hidden}
    healthy(Catalogue(models, {"plugin": "ImportError: no"}))
    code, found = report(capsys)
    assert code == 0
    assert found["big"]["state"] == "note"
    assert found["hidden (not offered)"]["state"] == "ok"
    assert found["plugin"] | {"words": ""} == {
        "section": "models",
        "name": "plugin",
        "state": "wrong",
        "words": "",
        "needed": False,
    }
    assert "ImportError: no" in found["plugin"]["words"]


@pytest.mark.parametrize("found", [Catalogue({}), Catalogue({}, {"nano": "SyntaxError"})])
def test_a_default_model_that_is_missing_or_broken_is_a_failure(
    healthy: Callable[[Catalogue], None], found: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    healthy(found)
    code, findings = report(capsys)
    assert code == 1
    assert findings["nano"]["needed"]


@pytest.mark.usefixtures("healthy")
def test_a_missing_distribution_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(examination, "_version", lambda name: None if name.startswith("opencv") else "1.0")
    code, found = report(capsys)
    assert code == 1
    assert "pip install 'maskbus[node]'" in found["opencv"]["words"]


@pytest.mark.usefixtures("healthy")
def test_a_wrong_file_hides_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "node.toml"
    file.write_text("queue_length = 0")
    code, found = report(capsys, "--config", str(file))
    assert code == 1
    assert found["settings"]["state"] == "wrong"
    assert "shared memory" in found


@pytest.mark.usefixtures("healthy")
def test_an_open_runtime_directory_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_directory = tmp_path / "open"
    open_directory.mkdir()
    open_directory.chmod(0o777)
    file = tmp_path / "node.toml"
    file.write_text(f'runtime_dir = "{open_directory.as_posix()}"')
    code, found = report(capsys, "--config", str(file))
    assert code == 1
    assert "chmod 700" in found["ipc sockets"]["words"]
    file.write_text("ipc = false")
    code, found = report(capsys, "--config", str(file))
    assert code == 0
    assert "switched off" in found["ipc sockets"]["words"]


@pytest.mark.usefixtures("healthy")
def test_it_says_which_weights_are_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MASKBUS_WEIGHTS", str(tmp_path / "w"))
    assert report(capsys)[1]["weights"]["words"] == f"{tmp_path / 'w'} (not there yet)"
    (tmp_path / "w").mkdir()
    assert "w: empty (`maskbus models list` shows all)" in report(capsys)[1]["weights"]["words"]
    (tmp_path / "w" / "mobile_sam.pt").write_bytes(b"short")
    (tmp_path / "w" / "sam_vit_b_01ec64.pth.part").write_bytes(b"short")
    words = report(capsys)[1]["weights"]["words"]
    assert "mobile-sam (damaged), sam-vit-b (partial 0 %)" in words


def test_licences_are_named_and_those_that_reach_further_stand_out(
    healthy: Callable[[Catalogue], None], capsys: pytest.CaptureFixture[str]
) -> None:
    mixed = card("fastsam", licence="Apache-2.0 AND AGPL-3.0-only")
    away = card("away", licence="AGPL-3.0-only", ready=False, missing="no weights")
    healthy(Catalogue({"nano": card("nano"), "fastsam": mixed, "away": away}))
    _, found = report(capsys)
    assert found["nano (default)"]["words"].endswith("licence: Apache-2.0")
    assert found["fastsam"]["words"].endswith("licence: Apache-2.0 AND AGPL-3.0-only (copyleft)")
    assert found["away"]["words"] == "cannot run: no weights; licence: AGPL-3.0-only (copyleft)"


@pytest.mark.parametrize(
    ("url", "state", "words"),
    [
        ("http://:secret@localhost", "wrong", "redis_url is no URL of a redis"),
        ("redis://:secret@127.0.0.1:{port}/2", "note", "redis://127.0.0.1:{port}/2 cannot be asked now: "),
    ],
)
@pytest.mark.usefixtures("healthy")
def test_a_redis_that_is_of_no_use(
    url: str, state: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as nobody:  # bound, and not listening
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        monkeypatch.setenv("MASKBUS_CACHE", "redis")
        monkeypatch.setenv("MASKBUS_REDIS_URL", url.format(port=port))
        code, found = report(capsys)
    assert (code, found["redis_url"]["state"]) == (int(state == "wrong"), state)
    assert found["redis_url"]["words"].startswith(words.format(port=port))
    assert "secret" not in json.dumps(found)
