"""The miniature CLIP as a fixture: trained once for each version of its script, and kept in pytest's cache."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from maskbus.file_lock import held
from support import tiny_clip


@pytest.fixture(scope="session")
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Return the options of a handler `text` that have it load the model, on torch in float32."""
    cache = getattr(request.config, "cache", None)
    root = Path(cache.mkdir("tiny-clip")) if cache is not None else tmp_path_factory.mktemp("tiny-clip")
    folder = root / tiny_clip.digest()
    with held(root / "lock"):  # of several processes one trains
        if not (folder / "whole").is_file():
            folder.mkdir(exist_ok=True)
            tiny_clip.train(folder)
            (folder / "whole").touch()
            for older in root.iterdir():
                if older.is_dir() and older != folder:
                    shutil.rmtree(older, ignore_errors=True)
    return {
        "clip": str(folder / tiny_clip.CONFIG_FILE),
        "weights": str(folder / tiny_clip.WEIGHTS_FILE),
        "runtime": "torch",
        "dtype": "float32",
    }
