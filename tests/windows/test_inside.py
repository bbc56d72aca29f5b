"""Tests that run in the CPython of Windows: those in inside/, and the project's that look at files and locks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUITES = {
    "tests/windows/inside": 8,
    "tests/unit/engine/test_shared_file.py": 10,
    "tests/unit/node/test_leases.py": 10,
    "tests/unit/adapters": 10,
    "tests/unit/worker/test_channel.py": 10,
}
"""How many tests there are at least."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("suite", SUITES)
def test_in_python_of_windows(wine, need, note, suite):
    need("python", "wheels", "project")
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "60", suite]
    done = wine.run(wine.python, *command, cwd=ROOT, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    note(f"in Python of Windows, {suite}: {done.stdout.splitlines()[-1].strip()}")
    assert passed >= SUITES[suite]
