"""That the benchmarks run; what they measure is nobody's test."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.skipif(not (PHOTOS / "grabcut").is_dir(), reason=f"the photos are not at {PHOTOS}/grabcut")
def test_quality(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    printed = run("quality.py", "--data", str(PHOTOS), "--limit", "2", "--json", str(file))
    assert "one click" in printed
    assert json.loads(file.read_text())


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
