"""Tests that run in the CPython of Windows: those in inside/, and the project's that look at files and locks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Windows neither cuts a file short that is mapped nor removes it at once: inside/test_files.py has what it does.
NOT_THERE = (
    "test_a_file_that_was_cut_short_is_an_error",
    "test_the_file_stays_until_no_request_needs_it",
    "test_requests_that_end_after_their_file_was_closed_do_no_harm",
)
SUITES = {
    "tests/windows/inside": 14,
    "tests/unit/engine/test_shared_file.py": 5,
    "tests/unit/node/test_leases.py": 35,
    "tests/unit/adapters/test_bell.py": 9,
    "tests/unit/adapters/test_container.py": 10,
    "tests/unit/adapters/test_parent_watch.py": 5,
    "tests/unit/worker/test_channel.py": 15,
}
"""How many tests there are at least."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("suite", SUITES)
def test_in_python_of_windows(wine, need, note, suite):
    need("python", "wheels", "project")
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "60", suite]
    for name in NOT_THERE:
        command += ["--deselect", f"tests/unit/node/test_leases.py::{name}"]
    done = wine.run(wine.python, *command, cwd=ROOT, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    note(f"in Python of Windows, {suite}: {done.stdout.splitlines()[-1].strip()}")
    assert passed >= SUITES[suite]
