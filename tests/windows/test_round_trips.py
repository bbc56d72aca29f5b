"""Requests and answers between programs of Windows, and between them and a node of this system, all compared."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from maskbus_client import Client
from support.processes import node_process

PROGRAM = str(Path(__file__).parent / "programs" / "round_trips.py")


def check(done, expected, note, what):
    """See that all answers were right, and have the figure in the summary."""
    found = re.search(r"(\d+) of (\d+), median ([\d.]+) ms", done.stdout)
    assert found, done.stdout + done.stderr
    note(f"{what}: {found[0]}")
    assert (done.returncode, int(found[1]), int(found[2])) == (0, expected, expected), done.stderr


@pytest.fixture
def linux_node(tmp_path):
    with node_process("--image-dir", str(tmp_path / "shared")) as node:
        yield node


@pytest.mark.parametrize("kind", ["tcp", "shared"])
def test_program_and_node_of_this_system(wine, need, note, linux_node, kind):
    # Leases: one file, mapped by both. wine's locks are none that the node sees, so it takes the file back ten seconds
    # later; a client that is slower than that leases another, and its answers are right as well.
    need("libzmq", "programs")
    done = wine.run(wine.program("round_trips"), kind, "100", linux_node.endpoint)
    check(done, 100, note, f"C++ program, node on Linux, {kind}")


def test_python_and_node_of_this_system(wine, need, note, linux_node):
    need("python", "wheels", "project")
    done = wine.run(wine.python, PROGRAM, "tcp", "50", linux_node.endpoint)
    check(done, 50, note, "Python of Windows, node on Linux, tcp")


@pytest.mark.parametrize("kind", ["tcp", "shared"])
def test_program_and_node_of_windows(wine, need, note, request, kind):
    need("python", "wheels", "project", "libzmq", "programs")
    node = request.getfixturevalue("windows_node")
    done = wine.run(wine.program("round_trips"), kind, "100", node.endpoint)
    check(done, 100, note, f"C++ program, node on Windows, {kind}")


@pytest.mark.parametrize("kind", ["tcp", "shared"])
def test_python_and_node_of_windows(wine, need, note, request, kind):
    need("python", "wheels", "project")
    node = request.getfixturevalue("windows_node")
    done = wine.run(wine.python, PROGRAM, kind, "50", node.endpoint)
    check(done, 50, note, f"Python of Windows, node on Windows, {kind}")


def test_a_client_that_died_is_noticed_by_its_lock(wine, need, note, request):
    need("python", "wheels", "project", "libzmq", "programs")
    node = request.getfixturevalue("windows_node")

    def wait_for_leases(wanted):
        until = time.monotonic() + 20
        while client.stats().leases != wanted and time.monotonic() < until:
            time.sleep(0.05)
        return client.stats().leases == wanted

    with Client(node.endpoint) as client:
        assert wait_for_leases(0)
        with wine.started(wine.program("round_trips"), "hold", "60", node.endpoint) as holder:
            assert holder.stdout.readline().strip() == "held"
            with pytest.raises(subprocess.TimeoutExpired):
                holder.wait(11)  # a lease whose lock nobody holds lives for ten seconds
            assert client.stats().leases == 1
        assert wait_for_leases(0)
    note("a client that is killed loses its lease, one that lives keeps it")


@pytest.mark.parametrize("events", ["-", "maskbus-test-events"])
def test_program_and_its_child(wine, need, note, events):
    need("python", "wheels", "project", "libzmq", "programs")
    python = wine.path(Path(wine.python))
    done = wine.run(wine.program("round_trips"), "child", "20", events, python, "-m", "maskbus", "child")
    check(done, 20, note, f"C++ program, child, bell by {'a socket' if events == '-' else 'events'}")


def test_python_and_its_child(wine, need, note):
    need("python", "wheels", "project")
    check(wine.run(wine.python, PROGRAM, "child", "20"), 20, note, "Python of Windows, child, bell by a socket")


def test_example_of_a_parent(wine, need, note, tmp_path):
    need("python", "wheels", "project", "libzmq", "programs")
    (tmp_path / "photo.ppm").write_bytes(b"P6\n64 48\n255\n" + bytes(64 * 48 * 3))
    clicks = [(3 * number, 2 * number) for number in range(1, 21)]
    command = [wine.program("parent_child"), wine.path(tmp_path / "photo.ppm"), "--model", "echo"]
    command += [
        "--command",
        f"{wine.path(Path(wine.python))} -m maskbus child",
        "--out",
        wine.path(tmp_path / "mask.pgm"),
    ]
    done = wine.run(*command, input="".join(f"{x},{y}\n" for x, y in clicks))
    boxes = re.findall(r"bbox (\d+) (\d+) (\d+) (\d+)  area (\d+)", done.stdout)
    # Echo draws a click as a square of 3 × 3 pixels.
    expected = [tuple(map(str, (x - 1, y - 1, 3, 3, 9))) for x, y in clicks]
    right = sum(found == wanted for found, wanted in zip(boxes, expected, strict=False))
    note(f"parent_child.exe, one click a line: {right} of {len(clicks)}")
    assert (done.returncode, boxes) == (0, expected), done.stderr
    assert (tmp_path / "mask.pgm").read_bytes().startswith(b"P5\n64 48\n255\n")
