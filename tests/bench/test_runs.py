"""That the benchmarks run; what they measure is nobody's test."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskbus.contract import disc, scene

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT.parent / "shared" / "data"


def run(script: str, *arguments: str, seconds: float = 110) -> str:
    command = [sys.executable, str(ROOT / "bench" / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_transport(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    run("transport.py", "--quick", "--only", "pyzmq,maskbus", "--json", str(file))
    figures = json.loads(file.read_text())
    text = json.dumps(figures)
    assert "maskbus-tcp" in text
    assert "pyzmq-ipc" in text


def test_quality_of_photos_of_ones_own(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    cv2.imwrite(str(tmp_path / "images" / "disc.png"), scene())
    cv2.imwrite(str(tmp_path / "masks" / "disc.png"), np.where(disc(), 255, 0).astype(np.uint8))
    file = tmp_path / "figures.json"
    printed = run("quality.py", "--data", str(tmp_path), "--model", "echo", "--json", str(file), "--docs")
    assert "NoC@90" in printed
    assert "stays as it is" in printed
    figures = json.loads(file.read_text())
    assert [row["photo"] for row in figures["rows"]["answers"]["echo"]] == ["disc"]
    assert figures["times"][0]["peak_mb"] > 10


def test_quality_of_a_photo_that_is_none(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dog.png").write_bytes(b"bark")
    command = [sys.executable, str(ROOT / "bench" / "quality.py"), "--data", str(tmp_path), "--model", "grabcut"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 1
    assert "dog.png cannot be read as a picture." in done.stderr
    assert "Traceback" not in done.stderr


def test_quality_without_photos(tmp_path: Path) -> None:
    assert run("quality.py", "--data", str(tmp_path)) is not None


@pytest.mark.skipif(not (PHOTOS / "davis").is_dir(), reason=f"the videos are not at {PHOTOS}/davis")
def test_tracking(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    printed = run("tracking.py", "--data", str(PHOTOS), "--limit", "2", "--json", str(file))
    assert "plain optical flow" in printed
    assert json.loads(file.read_text())["ways"]


def test_tracking_without_videos(tmp_path: Path) -> None:
    assert "Skipped" in run("tracking.py", "--data", str(tmp_path))


@pytest.mark.timeout(400)
@pytest.mark.skipif(shutil.which("cmake") is None, reason="CMake is not installed: make cpp")
def test_native() -> None:
    printed = run("native.py", "--quick", seconds=390)
    assert "maskbus, written in shared memory, rung over ipc" in printed
    assert "a click on a kept image" in printed
