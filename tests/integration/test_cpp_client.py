"""The C++ client's examples against a live node: what they print and write, and what they do when the node dies."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskbus.contract import scene
from maskbus_client import Client
from support.cpp import binary
from support.processes import NodeProcess, node_process

PATIENCE_S = 60
MODELS = ("grabcut", "echo")
CLICK = (80, 60)


@pytest.fixture(scope="module")
def node() -> Iterator[NodeProcess]:
    with node_process(models=MODELS) as running:
        yield running


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    larger = cv2.resize(scene()[:, :, ::-1], (320, 240), interpolation=cv2.INTER_CUBIC)
    assert cv2.imwrite(str(path), larger)
    return path


def environment(endpoint: str) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("MASKBUS_")} | {
        "MASKBUS_ENDPOINT": endpoint
    }


def run(name: str, *arguments: str | Path, endpoint: str, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(binary(name)), *map(str, arguments)]
    return subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=environment(endpoint)
    )


class Clicks:
    """A running click_loop."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._input, self._output = process.stdin, process.stdout

    def send(self, line: str) -> None:
        self._input.write(f"{line}\n")
        self._input.flush()

    def read(self) -> str:
        return self._output.readline()

    def end(self) -> tuple[int, str]:
        """Close the input; return the exit code and what went to standard error."""
        errors = self.process.communicate(timeout=PATIENCE_S)[1]
        return self.process.returncode, errors


@contextmanager
def click_loop(photo: Path, endpoint: str, *flags: str) -> Iterator[Clicks]:
    process = subprocess.Popen(
        [str(binary("click_loop")), str(photo), "--endpoint", endpoint, *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(""),
    )
    try:
        yield Clicks(process)
    finally:
        process.kill()
        process.communicate()


def numbers(line: str) -> tuple[list[int], int, float]:
    found = re.fullmatch(r"bbox (\d+) (\d+) (\d+) (\d+), area (\d+), iou ([\d.e-]+), ([\d.e-]+) ms\n", line)
    assert found is not None, line
    assert float(found[7]) > 0
    return [int(found[i]) for i in range(1, 5)], int(found[5]), float(found[6])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("suffix", ["png", "pgm"])
def test_segment_photo(node: NodeProcess, photo: Path, tmp_path: Path, model: str, suffix: str) -> None:
    out = tmp_path / f"mask.{suffix}"
    done = run("segment_photo", photo, "{},{}".format(*CLICK), out, "--model", model, endpoint=node.endpoint)
    assert (done.returncode, done.stderr) == (0, "")
    with Client(node.endpoint) as client:
        expected = client.segment(photo, points=CLICK, model=model).best
    mask = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    assert set(np.unique(mask)) == {0, 255}
    assert np.array_equal(mask > 0, expected.to_array())
    assert f"{expected.area} pixels" in done.stdout


def test_click_loop(node: NodeProcess, photo: Path) -> None:
    clicks = [(80, 60, 1), (200, 120, 1), (10, 10, 0)]
    with Client(node.endpoint) as client, client.image(photo) as image:
        expected = [
            image.segment(points=[(x, y) for x, y, _ in clicks[:n]], labels=[label for *_, label in clicks[:n]]).best
            for n in range(1, len(clicks) + 1)
        ]
        before = client.stats().images
        with click_loop(photo, node.endpoint) as loop:
            assert loop.read() == "320 x 240 pixels, model grabcut\n"
            for (x, y, label), mask in zip(clicks, expected, strict=True):
                loop.send(f"{x} {y} {label}")
                bbox, area, iou = numbers(loop.read())
                assert (bbox, area) == (list(mask.bbox), mask.area)
                assert iou == pytest.approx(mask.predicted_iou, abs=1e-4)
            loop.send("new")
            loop.send("80 60")
            assert numbers(loop.read())[1] == expected[0].area
            assert loop.end() == (0, "")
        # The handle's destructor has let the node forget its photo, and the node still has ours.
        give_up = time.monotonic() + 10
        while client.stats().images > before and time.monotonic() < give_up:
            time.sleep(0.01)
        assert client.stats().images <= before


def test_clicks_that_are_wrong_are_told_and_passed_over(node: NodeProcess, photo: Path) -> None:
    done = run("click_loop", photo, endpoint=node.endpoint, text="what\n1 2 3\n500 5 1\n80 60 1\n")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 3
    assert "outside" in done.stderr
    assert numbers(done.stdout.splitlines(keepends=True)[1])[1] > 0


LINE = re.compile(r"seq (\d+), area (\d+), latency ([\d.e-]+) ms")
SUMMARY = re.compile(
    r"(\d+) frames sent, (\d+) dropped by the camera((?:, \d+ [a-z_]+)*), (\d+) followed, (\d+) skipped by the viewer"
)


@pytest.mark.parametrize("size", [("320", "240"), ("1920", "1080")])
def test_camera_stream(node: NodeProcess, size: tuple[str, str]) -> None:
    flags = ["--frames", "30", "--rate", "100", "--model", "echo", "--width", size[0], "--height", size[1]]
    done = run("camera_stream", *flags, endpoint=node.endpoint)
    assert (done.returncode, done.stderr) == (0, "")
    *lines, last = done.stdout.splitlines()
    found = [LINE.fullmatch(line) for line in lines]
    seqs = [int(line[1]) for line in found if line]
    assert len(seqs) == len(lines) > 0
    assert seqs == sorted(set(seqs))
    assert {int(line[2]) for line in found if line} == {9}
    assert all(0 < float(line[3]) < PATIENCE_S * 1000 for line in found if line)
    counts = SUMMARY.fullmatch(last)
    assert counts is not None, last
    sent, unsent, followed, skipped = (int(counts[i]) for i in (1, 2, 4, 5))
    assert sent + unsent == 30
    if not unsent:
        assert seqs[-1] == 29, "the newest frame is never skipped"
    assert followed + sum(map(int, re.findall(r"\d+", counts[3]))) == sent
    assert len(seqs) + skipped <= followed
    with Client(node.endpoint) as client:
        assert client.stats().images == 0


def test_camera_stream_goes_on_after_a_restart_of_its_node() -> None:
    flags = ["--frames", "0", "--rate", "100", "--model", "echo"]
    with node_process() as first:
        endpoint, topics = first.endpoint, first.topics
        camera = subprocess.Popen(
            [str(binary("camera_stream")), *flags], stdout=subprocess.PIPE, text=True, env=environment(endpoint)
        )
        assert camera.stdout is not None
        try:
            assert LINE.fullmatch(camera.stdout.readline().rstrip())
            first.kill()
            with node_process("--publish", topics, bind=endpoint):
                # The object is gone with the node: results have no masks now.
                while LINE.fullmatch(line := camera.stdout.readline().rstrip()) and ", area 9," in line:
                    pass
                assert ", area 0," in line
        finally:
            camera.kill()
            camera.communicate()


def test_node_that_is_killed_while_a_call_waits_and_started_again(photo: Path) -> None:
    with node_process() as first:
        endpoint = first.endpoint
        with click_loop(photo, endpoint) as loop:
            assert "320 x 240" in loop.read()
            loop.send("80 60 1")
            assert numbers(loop.read())[1] == 9
            first.signal(signal.SIGSTOP)
            loop.send("10 20 1")
            time.sleep(0.3)  # nothing tells that the click is on its way; the node takes none any more
            first.kill()
            with node_process(bind=endpoint):
                # A node that has never seen the photo: it is sent again by itself.
                assert numbers(loop.read())[1] == 18
                assert loop.end() == (0, "")


def test_node_that_is_killed_for_good(photo: Path, tmp_path: Path) -> None:
    with node_process() as running:
        endpoint = running.endpoint
        with click_loop(photo, endpoint, "--deadline", "2") as loop:
            assert "320 x 240" in loop.read()
            running.kill()
            begin = time.monotonic()
            loop.send("80 60 1")
            code, errors = loop.end()
            assert time.monotonic() - begin < 10
            assert code == 1
            assert "Nobody answered" in errors
            assert len(errors.splitlines()) == 1
    begin = time.monotonic()
    done = run("segment_photo", photo, "5,5", tmp_path / "mask.png", endpoint=endpoint)
    assert time.monotonic() - begin < 25, "a node that was never heard is not waited for until the deadline"
    assert done.returncode == 1
    assert "maskbus serve" in done.stderr


@pytest.mark.parametrize("name", ["segment_photo", "click_loop", "camera_stream"])
def test_usage(name: str) -> None:
    done = run(name, "--help", endpoint="")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: {name} ")
    done = run(name, "--nonsense", endpoint="")
    assert done.returncode == 2
    assert "--nonsense" in done.stderr
    assert f"usage: {name} " in done.stderr


@pytest.mark.parametrize(
    ("name", "arguments", "problem"),
    [
        ("segment_photo", ["nowhere.jpg", "5,5", "out.png"], "cannot be read"),
        ("segment_photo", ["{photo}", "900,5", "out.png"], "outside"),
        ("segment_photo", ["{photo}", "5,5", "nowhere/out.png"], "cannot be written"),
        ("segment_photo", ["{photo}", "5,5", "out.png", "--model", "none"], "none"),
        ("segment_photo", ["{photo}", "5,5", "out.png", "--endpoint", "nonsense"], "nonsense"),
        ("segment_photo", ["{text}", "5,5", "out.png"], ""),
        ("click_loop", ["nowhere.jpg"], "cannot be read"),
        ("click_loop", ["{text}"], ""),
        ("camera_stream", ["--frames", "1", "--model", "none"], "none"),
    ],
)
def test_errors_are_one_line(
    node: NodeProcess, photo: Path, tmp_path: Path, name: str, arguments: list[str], problem: str
) -> None:
    (tmp_path / "text").write_text("no photo")
    filled = [part.format(photo=photo, text=tmp_path / "text") for part in arguments]
    filled = [str(tmp_path / part) if part.endswith("out.png") else part for part in filled]
    done = run(name, *filled, endpoint=node.endpoint)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"{name}: ")
    assert problem in done.stderr


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("segment_photo", ["a.jpg", "5;5", "out.png"]),
        ("segment_photo", ["a.jpg", "5,", "out.png", "x"]),
        ("segment_photo", ["a.jpg", "5,5", "out.gif"]),
        ("segment_photo", ["a.jpg", "5,5", "out.png", "--model"]),
        ("camera_stream", ["--frames", "many"]),
        ("camera_stream", ["--rate", "0"]),
    ],
)
def test_command_lines_that_are_wrong(name: str, arguments: list[str]) -> None:
    done = run(name, *arguments, endpoint="")
    assert done.returncode == 2
    assert "usage: " in done.stderr
