"""Into the package, and onto the card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")

from training.nano import ship

FACTS = {
    "size": 256,
    "sha256": {"nano_image.onnx": "ab" * 32, "nano_prompt.onnx": "cd" * 32},
    "reliability": {
        "answers": 10,
        "photos": 2,
        "believed": 0.8,
        "reached": 0.7,
        "error_before": 0.1,
        "error_after": 0.02,
    },
    "settings": {"stages": [{"size": 128, "steps": 10}, {"size": 256, "steps": 5}]},
}
LINE = {"step": 15, "seconds": 7200, "loss": 1.0, "click": 0.71, "clicks5": 0.9, "box": 0.88}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path]:
    """A training's folder, the package's and a card."""
    out, package = tmp_path / "out", tmp_path / "package"
    (tmp_path / "docs" / "images").mkdir(parents=True)
    out.mkdir()
    package.mkdir()
    card = tmp_path / "docs" / "nano-card.md"
    card.write_text(f"# Card\n\n{ship.BEGIN}\nold\n{ship.END}\n\nThe rest.\n")
    (out / "nano_image.onnx").write_bytes(b"i" * 100)
    (out / "nano_prompt.onnx").write_bytes(b"p" * 200)
    (out / "nano.json").write_text(json.dumps(FACTS))
    (out / "nano-curves.png").write_bytes(b"png")
    (out / "curve.jsonl").write_text(json.dumps(LINE) + "\n")
    monkeypatch.setattr(ship, "ROOT", tmp_path)
    monkeypatch.setattr(ship, "FOLDER", package)
    monkeypatch.setattr(ship, "CARD", card)
    monkeypatch.setattr("sys.argv", ["ship", "--out", str(out)])
    return out, package, card


def test_all_of_it_is_put_in_its_place(places: tuple[Path, Path, Path]) -> None:
    out, package, card = places
    assert ship.main() == 0
    for name in ("nano_image.onnx", "nano_prompt.onnx", "nano.json"):
        assert (package / name).read_bytes() == (out / name).read_bytes()
    text = card.read_text()
    assert "| `nano_image.onnx` | 100 | `" + "ab" * 32 in text
    assert "2.0 hours" in text
    assert "old" not in text
    assert text.startswith("# Card\n")
    assert text.endswith("\n\nThe rest.\n")
    assert ship.main() == 0
    assert card.read_text() == text


def test_what_is_missing_is_named(places: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    out, package, _ = places
    (out / "nano.json").unlink()
    assert ship.main() == 1
    assert "has no nano.json" in capsys.readouterr().err
    assert not list(package.iterdir())


def test_too_large_a_network_is_not_shipped(
    places: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out, package, _ = places
    (out / "nano_image.onnx").write_bytes(bytes(ship.MOST_BYTES))
    assert ship.main() == 1
    assert "too many" in capsys.readouterr().err
    assert not list(package.iterdir())


def test_a_card_without_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="nano:facts"):
        ship.with_section("# Card\n", "text")
