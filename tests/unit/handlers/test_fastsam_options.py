"""What the configuration may say of a FastSAM model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from maskbus.handlers.fastsam import FastSam
from maskbus.handlers.fastsam_options import FastSamOptions
from maskbus.handlers.fastsam_ultralytics import FastSamUltralytics
from maskbus.interfaces import LoadContext, ModelUnavailable


def read(**options: Any) -> FastSamOptions:
    context = LoadContext(model="mine", weights_dir=Path("/weights"), options=options)
    return FastSamOptions.of(context, file="fastsam.onnx", more=["runtime"])


def test_the_authors_values_unless_said() -> None:
    assert read() == FastSamOptions(
        Path("/weights/fastsam.onnx"), "auto", conf=0.4, iou=0.9, max_det=300, input_side=None
    )
    said = read(weights="/tuned.onnx", runtime="opencv", conf=0.1, iou=1, max_det=50, input_side=640)
    assert said == FastSamOptions(Path("/tuned.onnx"), "opencv", conf=0.1, iou=1.0, max_det=50, input_side=640)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"confidence": 0.4}, "confidence: there is no such option; there are conf, input_side, iou, max_det, runtime"),
        ({"conf": 1.5}, r"conf: 1\.5 is no number from 0 to 1"),
        ({"iou": "0.9"}, r"iou: '0\.9' is no number"),
        ({"conf": True}, "conf: True is no number"),
        ({"conf": float("nan")}, "conf: nan is no number"),
        ({"max_det": 0}, "max_det: 0 is no whole number from 1 on"),
        ({"input_side": 1000}, "input_side: it must be a multiple of 32"),
        ({"input_side": 640.0}, r"input_side: 640\.0 is no whole number"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelUnavailable, match=rf"^model\.mine\.options\.{words}"):
        read(**options)


def test_a_missing_file_is_named_with_what_makes_it(tmp_path: Path) -> None:
    context = LoadContext(model="mine", weights_dir=tmp_path)
    said = FastSam.availability(context)
    assert not said.ready
    assert said.weights == "missing"
    assert str(tmp_path / "fastsam.onnx") in said.missing
    assert "docs/fastsam.md says how to export one" in said.missing
    with pytest.raises(ModelUnavailable, match="how to export one"):
        FastSam(context)
    (tmp_path / "fastsam.onnx").touch()
    assert FastSam.availability(context).ready
    said = FastSam.availability(LoadContext(model="mine", weights_dir=tmp_path, options={"runtime": "torch"}))
    assert said.missing == "there is no runtime 'torch'; there are auto, onnxruntime, openvino, opencv"


def test_the_package_of_the_authors_is_only_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = FastSamUltralytics.availability(LoadContext(model="mine", weights_dir=tmp_path))
    assert str(tmp_path / "fastsam.safetensors") in said.missing
    assert "docs/fastsam.md says how to make one" in said.missing
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "ultralytics" else True)
    said = FastSamUltralytics.availability(LoadContext(model="mine", weights_dir=tmp_path))
    assert said.missing.startswith("it needs ultralytics (pip install 'maskbus[fastsam-agpl]'); there is no file")


def test_what_its_licence_asks_for_is_kept() -> None:
    assert FastSam.info.licence == "Apache-2.0 AND AGPL-3.0-only"
    assert FastSamUltralytics.info.licence == "AGPL-3.0-only"
    assert FastSamUltralytics.info.alone
    assert not FastSamUltralytics.info.offered
