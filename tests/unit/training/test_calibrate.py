"""From ONNX files to `nano.json`, and the picture of the answers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("onnx", reason="the extra `train` is not installed")

from maskbus.models.nano_network import FACTS, IMAGE, PROMPT, NanoNetwork
from support import nano_training
from support.nano_network import tiny
from training.nano import calibrate, held_out
from training.nano.export import export
from training.nano.settings import SETTINGS, read

SIZE = read(SETTINGS).size


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export(tiny(), folder, SIZE)
    return folder


def test_a_node_reads_what_was_calibrated(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = nano_training.photos(3)
    data = nano_training.write(tmp_path / "data", photos)
    monkeypatch.setattr(calibrate, "read", lambda folder, held_out: (photos[1:], photos[:1]))
    monkeypatch.setattr("sys.argv", ["calibrate", "--data", str(data), "--to", str(exported)])
    texts = []
    for _ in range(2):
        assert calibrate.main() == 0
        texts.append((exported / FACTS).read_text())
    assert texts[0] == texts[1]
    assert "mean IoU" in capsys.readouterr().out
    facts = json.loads(texts[0])
    assert facts["reliability"]["answers"] == 6
    for name in (IMAGE, PROMPT):
        assert facts["sha256"][name] == hashlib.sha256((exported / name).read_bytes()).hexdigest()
    network = NanoNetwork(exported, runtime="opencv")
    assert network.side == SIZE


def test_answers_of_an_exported_network(exported: Path) -> None:
    photo = nano_training.photos(1)[0]
    asked = list(held_out.ask(held_out.network_in(exported, SIZE), [photo], clicks=2))
    assert [one.kind for one in asked] == ["click", "correction", "box"]
    x, y = asked[0].place
    assert asked[0].truth[y, x]
    assert asked[0].found[y, x]
    assert all(0 <= one.believed <= 1 and 0 <= one.reached <= 1 for one in asked)
    assert all(one.found.shape == photo.pixels.shape[:2] for one in asked)


def test_answers_can_be_looked_at(exported: Path) -> None:
    pictures = pytest.importorskip("training.nano.pictures")
    asked = list(held_out.ask(held_out.network_in(exported, SIZE), nano_training.photos(1), clicks=1))
    drawn = pictures.sheet(asked)
    assert drawn.shape[0] > 300
    assert drawn.shape[1] == 5 * 320
    assert drawn.std() > 10
