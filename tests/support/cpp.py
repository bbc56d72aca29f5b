"""The built programs of the C++ client."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def binary(name: str) -> Path:
    """Return the path of a built program.

    Looks in the build folder that $MASKBUS_CPP_BUILD names, and fails the test where it is not there; without the
    variable looks in build/cpp, and skips the test.
    """
    named = os.environ.get("MASKBUS_CPP_BUILD")
    build = Path(named or ROOT / "build" / "cpp")
    for path in (build / "bin" / name, build / name):
        if path.is_file() and os.access(path, os.X_OK):
            return path
    missing = f"the C++ programs are not built: make cpp ({name} is not in {build})"
    assert not named, missing
    pytest.skip(missing)
