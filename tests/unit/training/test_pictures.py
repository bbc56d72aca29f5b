"""The picture of a training."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("matplotlib", reason="the extra `train` is not installed")

from training.nano.pictures import curves

LINE = {"step": 500, "seconds": 300, "loss": 1.8, "train_iou": 0.4, "click": 0.4, "clicks5": 0.7, "box": 0.7}


@pytest.mark.parametrize("count", [1, 3])
def test_curves(tmp_path: Path, count: int) -> None:
    lines = [{**LINE, "step": 500 * n, "seconds": 300 * n, "loss": 2 / n} for n in range(1, count + 1)]
    curves(lines, tmp_path / "curves.png")
    drawn = cv2.imread(str(tmp_path / "curves.png"))
    assert drawn is not None
    assert drawn.shape[1] > 2 * drawn.shape[0]
    assert drawn.std() > 10
