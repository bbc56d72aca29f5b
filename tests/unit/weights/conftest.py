from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.file_server import FileServer, serving
from support.pulling import DATA, PATH, Heard


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "*")
    with serving() as server:
        server.files[PATH] = DATA
        yield server


@pytest.fixture
def heard() -> Heard:
    return Heard()
