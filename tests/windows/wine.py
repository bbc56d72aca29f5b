"""Programs of Windows under wine, in a folder of wine's own that nobody else uses."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Wine:
    """Start programs of Windows. Their standard streams are pipes: wine's CPython takes no plain files."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, the one that prepare.py fills."""
        self.folder = folder
        self.prefix = folder / "prefix"
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MASKBUS_", "PYTHON"))}
        self.environment = kept | {
            "WINEPREFIX": str(self.prefix),
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",  # or it asks whether to download them
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
            "PYTHONWARNINGS": "error",
        }

    @staticmethod
    def is_there() -> bool:
        """Tell whether wine is installed."""
        return Wine._program() is not None

    @staticmethod
    def path(path: Path) -> str:
        """Return how Windows calls a path of this system: wine shows its root as drive Z:."""
        return "Z:" + str(path).replace("/", "\\")

    @property
    def python(self) -> str:
        """The CPython of Windows."""
        return str(next(iter(self.folder.glob("python/*/python.exe"))))

    def program(self, name: str) -> str:
        """Return a program that was built."""
        return str(self.folder / "cpp" / "bin" / f"{name}.exe")

    def run(
        self, *command: str, input: str | None = None, timeout: float = 300, **settings: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; what it prints is caught."""
        with self.started(*command, stderr=subprocess.PIPE, **settings) as process:
            output, errors = process.communicate(input, timeout)
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    @contextmanager
    def started(self, *command: str, **settings: Any) -> Iterator[subprocess.Popen[str]]:
        """Start a program, and end it with the block."""
        settings = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "encoding": "utf-8", **settings}
        environment = self.environment | settings.pop("environment", {})
        process = subprocess.Popen([str(self._program()), *command], env=environment, **settings)
        try:
            yield process
        finally:
            process.kill()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None and not pipe.closed:
                    pipe.close()
            process.wait()

    def wait(self) -> None:
        """Wait until the last program has ended, and what wine runs for them."""
        self._server("--wait")

    def end(self) -> None:
        """End all programs in this folder of wine's, and no others."""
        self._server("--kill")
        self._server("--wait")

    def _server(self, *arguments: str) -> None:
        if self.is_there():
            subprocess.run(["wineserver", *arguments], env=self.environment, check=False, timeout=60)

    @staticmethod
    def _program() -> str | None:
        return shutil.which("wine64") or shutil.which("wine")


def lines(text: str) -> Sequence[str]:
    """Return the lines of what a program of Windows printed."""
    return [line.rstrip("\r") for line in text.splitlines()]
