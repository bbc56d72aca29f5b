"""A few steps of a training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")

import torch

from support import nano_training
from training.nano import train
from training.nano.train import Training


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "_COMPARED", 1)


def trained(out: Path, *until: int) -> dict[str, torch.Tensor]:
    """Train in as many sittings as there are steps to leave off at."""
    out.mkdir()
    photos = nano_training.photos(3)
    for step in until:
        training = Training(nano_training.settings(), photos[:2], photos[2:], out)
        training.run(step)
    return torch.load(out / "checkpoint.pt", weights_only=True)


def test_a_training_repeats_itself_and_survives_an_interruption(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", 4)
    again = trained(tmp_path / "again", 4)
    parts = trained(tmp_path / "parts", 2, 4)
    assert whole["step"] == parts["step"] == 4
    assert any(weight.abs().sum() > 0 for weight in whole["network"].values())
    for other in (again, parts):
        for kind in ("network", "average"):
            for name, weight in whole[kind].items():
                assert torch.equal(weight, other[kind][name]), f"{kind} {name}"
    lines = [
        [json.loads(line) for line in (tmp_path / of / "curve.jsonl").read_text().splitlines()]
        for of in ("whole", "parts")
    ]
    for one, other in zip(*lines, strict=True):
        assert {key: one[key] for key in ("step", "click", "box")} == {
            key: other[key] for key in ("step", "click", "box")
        }
    assert [line["step"] for line in lines[0]] == [2, 4]


def test_a_checkpoint_runs_nothing(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            return Path.touch, (Path(tmp_path / "sprung"),)

    torch.save({"network": Trap()}, tmp_path / "checkpoint.pt")
    photos = nano_training.photos(2)
    with pytest.raises(train.BadCheckpoint):
        Training(nano_training.settings(), photos, photos, tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_without_photos_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["train", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "out")])
    assert train.main() == 1
    assert capsys.readouterr().err == f"train-nano: there are no photos with masks in {tmp_path / 'none'}.\n"


@pytest.mark.parametrize("damage", [b"", b"no checkpoint", None])
def test_a_damaged_checkpoint_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], damage: bytes | None
) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "a_00.png").touch()
    checkpoint = tmp_path / "checkpoint.pt"
    if damage is None:
        torch.save({"step": 1}, checkpoint)
    else:
        checkpoint.write_bytes(damage)
    monkeypatch.setattr("sys.argv", ["train", "--data", str(tmp_path), "--out", str(tmp_path)])
    assert train.main() == 1
    assert capsys.readouterr().err == (
        f"train-nano: {checkpoint} is damaged, or no checkpoint of a training. --fresh begins anew.\n"
    )


def test_a_checkpoint_of_another_network_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path / "out", 1)
    nano_training.write(tmp_path, nano_training.photos(1))
    monkeypatch.setattr("sys.argv", ["train", "--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert train.main() == 1
    assert capsys.readouterr().err == (
        f"train-nano: {tmp_path / 'out' / 'checkpoint.pt'} is of another network than that of the settings. "
        "--fresh begins anew.\n"
    )


def test_an_interruption_leaves_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "a_00.png").touch()
    monkeypatch.setattr(train, "spawn", interrupted)
    monkeypatch.setattr("sys.argv", ["train", "--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert train.main() == 130
    assert capsys.readouterr().err == ("train-nano: left off. The same command goes on from the last checkpoint.\n")
