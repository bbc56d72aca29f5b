"""The picture of the models' own estimates."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
import quality_picture
from quality_figures import reliability


def test_the_picture_is_small(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'maskbus[bench]'")
    answers = [{"iou": n / 100, "predicted_iou": n / 90} for n in range(50, 90)]
    path = tmp_path / "images" / "new.png"
    quality_picture.draw({"nano": {"reliability": reliability(answers)}, "cv2.grabCut": {}}, path)
    height, width, _ = cv2.imread(str(path)).shape
    assert max(height, width) < 600
