"""`maskbus serve --pull` has the weights before it listens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support import published


def serve(folder: Path) -> tuple[int, str, str]:
    """Run a node until it says that it is ready; return its exit code and what it wrote."""
    command = [sys.executable, str(folder / ".published" / "models.py"), "serve", "--model", "mobile-sam", "--pull"]
    command += ["--no-ipc", "--no-preload", "--bind", "tcp://127.0.0.1:*", "--publish", "tcp://127.0.0.1:*"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        process.terminate()
        rest, errors = process.communicate(timeout=60)
        return process.returncode, ready + rest, errors


def test_missing_weights_are_pulled_first(tmp_path: Path) -> None:
    with published.small_files(tmp_path):
        code, out, errors = serve(tmp_path)
        assert code == 0, errors
        assert " ready: " in out
        assert "mobile-sam: " in errors
        assert (tmp_path / ".published" / "cache" / "maskbus" / "weights" / "mobile_sam.pt").stat().st_size == 10_000
        _, _, errors = serve(tmp_path)
        assert "mobile-sam: " not in errors  # nothing is missing any more


def test_weights_that_cannot_be_had_end_it_in_one_sentence(tmp_path: Path) -> None:
    with published.small_files(tmp_path):
        pass  # the server is gone
    code, out, errors = serve(tmp_path)
    assert code == 1
    assert out == ""
    assert "Not all weights could be had; without --pull the node serves what can run." in errors
    assert "Traceback" not in errors
