"""Processes that download: two at once, one that is killed, one that is interrupted."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from maskbus.weights import Entry
from maskbus.weights.pull import pull
from support import waiting
from support.file_server import FileServer, entry, serving, stall

DATA = random.Random(10).randbytes(300_000)
HALF = len(DATA) // 2
PATH = "/tested.pt"
PROGRAM = """if True:
    import json, signal, sys
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which whoever started the tests may have turned off
    from maskbus.cli import main
    from maskbus.weights import ENTRIES, Entry
    entry = Entry(**json.loads(sys.argv[1]))
    ENTRIES[entry.name] = entry
    sys.exit(main(["models", "pull", entry.name, "--weights-dir", sys.argv[2]]))
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "*")
    with serving() as server:
        server.files[PATH] = DATA
        yield server


@contextmanager
def pulling(wanted: Entry, directory: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MASKBUS_")}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(asdict(wanted)), str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_half(directory: Path) -> None:
    part = directory / "tested.pt.part"
    waiting.until(lambda: part.exists() and part.stat().st_size == HALF, "half of the file never came")


def test_of_two_processes_one_downloads_and_the_other_waits(server: FileServer, tmp_path: Path) -> None:
    server.script[PATH] = [stall(HALF)]
    wanted = entry(DATA, server.url + PATH)
    with pulling(wanted, tmp_path) as first:
        wait_for_half(tmp_path)
        with pulling(wanted, tmp_path) as second:
            assert second.stderr is not None
            assert "another process is getting tested" in second.stderr.readline()
            server.gate.set()
            for process in (first, second):
                out, err = process.communicate(timeout=30)
                assert process.returncode == 0, err
                assert out == f"tested: {tmp_path / 'tested.pt'}\n"
    assert len(server.requests) == 1
    assert (tmp_path / "tested.pt").read_bytes() == DATA


def test_a_process_that_waits_goes_on_where_the_first_was_killed(server: FileServer, tmp_path: Path) -> None:
    server.script[PATH] = [stall(HALF)]
    wanted = entry(DATA, server.url + PATH)
    with pulling(wanted, tmp_path) as first:
        wait_for_half(tmp_path)
        with pulling(wanted, tmp_path) as second:
            assert second.stderr is not None
            second.stderr.readline()
            first.kill()
            _, err = second.communicate(timeout=30)
            assert second.returncode == 0, err
    assert server.ranges() == ["", f"bytes={HALF}-"]
    assert (tmp_path / "tested.pt").read_bytes() == DATA


def test_kill_9_and_again(server: FileServer, tmp_path: Path) -> None:
    server.script[PATH] = [stall(HALF)]
    wanted = entry(DATA, server.url + PATH)
    with pulling(wanted, tmp_path) as process:
        wait_for_half(tmp_path)
        process.kill()
        process.wait(30)
    assert not (tmp_path / "tested.pt").exists()
    assert pull(wanted, tmp_path).read_bytes() == DATA
    assert server.ranges() == ["", f"bytes={HALF}-"]
    assert server.requests[1].headers["If-Range"] == server.tag(PATH)


@pytest.mark.skipif(os.name == "nt", reason="the signals are those of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_download_can_be_gone_on_with(
    server: FileServer, tmp_path: Path, number: int, code: int
) -> None:
    server.script[PATH] = [stall(HALF)]
    wanted = entry(DATA, server.url + PATH)
    with pulling(wanted, tmp_path) as process:
        wait_for_half(tmp_path)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert out == ""
    assert err == "maskbus: tested: stopped at 50 %; the same command goes on from there.\n"
    assert pull(wanted, tmp_path).read_bytes() == DATA
    assert server.ranges() == ["", f"bytes={HALF}-"]
