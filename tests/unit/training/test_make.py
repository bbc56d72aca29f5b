"""`make train-nano`, as far as it can be tried in a moment."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_without_photos_nothing_is_installed(tmp_path: Path) -> None:
    command = ["make", "train-nano", f"NANO_DATA={tmp_path / 'none'}", f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert done.stderr.startswith(f"train-nano: there are no photos with masks in {tmp_path / 'none'}: it needs")
    assert not (tmp_path / "venv").exists()
