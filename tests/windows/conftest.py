"""Programs of Windows, run under wine: `make test-windows`. Plain `make test` does not come here."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(os.environ.get("MASKBUS_WINDOWS", "build/windows")).resolve()
"""What prepare.py has filled."""

collect_ignore_glob = [] if "MASKBUS_WINDOWS" in os.environ else ["test_*.py"]
collect_ignore = [] if sys.platform == "win32" else ["inside"]
"""What is in there runs in the CPython of Windows; see test_inside.py."""

if sys.platform != "win32":
    from maskbus.cli import ready_line
    from windows.wine import Wine

    _FIGURES = pytest.StashKey[list[str]]()

    def pytest_configure(config: pytest.Config) -> None:
        config.stash[_FIGURES] = []

    def _missing() -> list[str]:
        listed = FOLDER / "missing.txt"
        return listed.read_text().splitlines() if listed.exists() else ["everything: run make test-windows."]

    def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
        if "MASKBUS_WINDOWS" not in os.environ:
            return
        terminalreporter.section("windows")
        for line in config.stash[_FIGURES]:
            terminalreporter.line(line)
        for line in _missing():
            terminalreporter.line(f"MISSING {line}", red=True)

    def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
        if "MASKBUS_WINDOWS" in os.environ and exitstatus == 0 and _missing():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED  # what was skipped has not been proven

    @pytest.fixture
    def need() -> Callable[..., None]:
        """Skip the test where one of the parts of prepare.py that it names is missing."""

        def check(*parts: str) -> None:
            for line in _missing():
                if line.partition(":")[0] in {"everything", "prefix", *parts}:
                    pytest.skip(line)

        return check

    @pytest.fixture
    def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
        """Have a line in the summary."""
        return request.config.stash[_FIGURES].append

    @pytest.fixture(scope="session")
    def wine() -> Iterator[Wine]:
        """Wine; whatever it runs ends with the session."""
        wine = Wine(FOLDER)
        try:
            yield wine
        finally:
            wine.end()

    class WindowsNode:
        """A node of Windows, and what it has logged."""

        def __init__(self, process: Any) -> None:
            self.log: list[str] = []
            self._changed = threading.Condition()
            self._reader = threading.Thread(target=self._read, args=(process.stderr,), daemon=True)
            self._reader.start()
            line = process.stdout.readline()
            ready = ready_line.parse(line)
            assert ready is not None, f"the node printed {line!r} and logged {self.log}"
            self.endpoint = ready.endpoints[0]

        def wait_for(self, words: str, seconds: float) -> bool:
            """Wait until a line of the log has these words."""
            with self._changed:
                return self._changed.wait_for(lambda: any(words in line for line in self.log), seconds)

        def _read(self, pipe: Any) -> None:
            for line in pipe:
                with self._changed:
                    self.log.append(line.rstrip())
                    self._changed.notify_all()

    @pytest.fixture(scope="session")
    def windows_node(wine: Wine) -> Iterator[WindowsNode]:
        """`maskbus serve` in the CPython of Windows, with the model echo."""
        import subprocess

        command = [wine.python, "-m", "maskbus", "serve", "--model", "echo", "--default-model", "echo"]
        command += ["--preload", "echo", "--bind", "tcp://127.0.0.1:*", "--publish", "tcp://127.0.0.1:*"]
        with wine.started(*command, stderr=subprocess.PIPE) as process:
            yield WindowsNode(process)
