"""`maskbus stream` and `maskbus simulate` against a real node."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskbus.adapters.sources.imagezmq import ImagezmqHub
from maskbus.cli import main
from maskbus.simulator import clip
from maskbus.simulator.scene import Scene
from maskbus_client.sync import Client
from maskbus_wire import rle
from support import davis, waiting
from support.nodes import LiveNode, live_node
from support.processes import node_process

FRAMES = 20
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's here")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MASKBUS_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def node() -> Iterator[LiveNode]:
    with live_node(default_model="echo", models=["echo", "grabcut", "failing"]) as running:
        yield running


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    clip.write(path, Scene(160, 120, seed=0), 10.0, FRAMES, seed=0)
    return path


@dataclass
class Done:
    stdout: str
    stderr: str


def maskbus(node: LiveNode, *arguments: str, code: int = 0) -> Done:
    """Run a command in this process; nothing of it may be left behind."""
    out, err = io.StringIO(), io.StringIO()
    before = set(threading.enumerate())
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        found = main([*arguments, "--endpoint", node.tcp])
    assert found == code, err.getvalue() + out.getvalue()
    assert "Traceback" not in err.getvalue()
    left = {thread for thread in threading.enumerate() if thread.is_alive()} - before
    assert not {thread for thread in left if "maskbus" in thread.name}, left
    return Done(out.getvalue(), err.getvalue())


def read_video(path: Path) -> list[np.ndarray]:
    capture, frames = cv2.VideoCapture(str(path)), []
    while (frame := capture.read()[1]) is not None:
        frames.append(frame)
    capture.release()
    return frames


def test_each_frame_of_a_video_is_answered_painted_and_written_down(
    node: LiveNode, video: Path, tmp_path: Path
) -> None:
    out, described = tmp_path / "out.mp4", tmp_path / "out.json"
    flags = ["--box", "20,10,70,60", "--box", "90,30,150,100", "-o", str(out), "--json", str(described)]
    done = maskbus(node, "stream", str(video), *flags)
    assert done.stdout.startswith("clip: frames go to echo\n")
    assert f"clip: {FRAMES} frames, {2 * FRAMES} masks, 0 dropped\n" in done.stdout
    assert f"written: {out}\nwritten: {described}\n" in done.stdout
    plain = json.loads(described.read_text())
    assert [image["frame"] for image in plain["images"]] == list(range(FRAMES))
    held = plain["annotations"][1]["segmentation"]
    assert rle.decode(held["counts"], *held["size"])[30:100, 90:150].all()
    before, after = read_video(video), read_video(out)
    assert len(after) == FRAMES
    for plain_frame, painted in zip(before, after, strict=True):
        change = np.abs(painted.astype(int) - plain_frame).mean(axis=2)
        assert change[20:50, 30:60].mean() > 40
        assert change[:, :15].mean() < 12, "what is outside of the masks stays as it was"


def test_objects_are_followed_under_their_numbers(node: LiveNode, video: Path, tmp_path: Path) -> None:
    described = tmp_path / "out.json"
    flags = ["--box", "20,10,70,60", "--box", "90,30,150,100", "--track", "--json", str(described)]
    done = maskbus(node, "stream", str(video), *flags, "--name", "front")
    assert f"front: {FRAMES} frames, {2 * FRAMES} masks, 0 dropped\n" in done.stdout
    plain = json.loads(described.read_text())
    tracks = [(one["image_id"], one["track_id"], one["present"]) for one in plain["annotations"]]
    assert tracks == [(frame, number, True) for frame in range(1, FRAMES + 1) for number in (1, 2)]
    with Client(node.tcp) as client:
        assert client.streams() == []


def test_a_folder_of_pictures_of_several_sizes(node: LiveNode, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, side in enumerate((60, 60, 90, 60)):
        assert cv2.imwrite(str(folder / f"{number}.png"), np.zeros((side, 2 * side, 3), np.uint8))
    described, out = tmp_path / "out.json", tmp_path / "out.mp4"
    done = maskbus(node, "stream", str(folder), "--point", "30,30", "--json", str(described), "-o", str(out))
    assert "pictures: 4 frames, 4 masks, 0 dropped\n" in done.stdout
    plain = json.loads(described.read_text())
    assert [(image["file_name"], image["height"]) for image in plain["images"]] == [
        ("0.png", 60),
        ("1.png", 60),
        ("2.png", 90),
        ("3.png", 60),
    ]
    assert {frame.shape for frame in read_video(out)} == {(60, 120, 3)}


def test_a_video_may_be_played_like_a_camera(node: LiveNode, video: Path) -> None:
    done = maskbus(node, "stream", str(video), "--point", "80,60", "--max-fps", "2")
    found = re.search(rf"clip: {FRAMES} frames, (\d+) masks, (\d+) dropped \((.*)\)", done.stdout)
    assert found is not None, done.stdout
    masks, dropped = int(found[1]), int(found[2])
    assert masks + dropped == FRAMES
    assert 3 <= masks <= 7  # 2 s at 2 a second, on a machine that may be busy


def test_frames_that_the_model_fails_at_are_reported(node: LiveNode, video: Path) -> None:
    done = maskbus(node, "stream", str(video), "--point", "80,60", "--text", "a cup", code=1)
    assert done.stderr.startswith("maskbus: ")
    assert "text" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_model_that_is_not_there(node: LiveNode, video: Path, tmp_path: Path) -> None:
    described = tmp_path / "out.json"
    done = maskbus(node, "stream", str(video), "--point", "8,6", "--model", "none", "--json", str(described), code=1)
    assert "none" in done.stderr
    assert "maskbus describe" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_senders_of_imagezmq_become_streams(node: LiveNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imagezmq = pytest.importorskip("imagezmq", reason="imagezmq is not installed")
    hubs: list[ImagezmqHub] = []
    ready = threading.Event()
    original = ImagezmqHub._read

    def bound(self: ImagezmqHub) -> None:
        hubs.append(self)
        ready.set()
        original(self)

    monkeypatch.setattr(ImagezmqHub, "_read", bound)
    stop = threading.Event()

    def send(name: str) -> None:
        ready.wait(20)
        with imagezmq.ImageSender(connect_to=hubs[0].endpoint) as sender:
            sender.zmq_socket.rcvtimeo = 20_000
            while not stop.is_set():
                assert sender.send_image(name, np.zeros((60, 80, 3), np.uint8)) == b"OK"
                stop.wait(0.05)

    def look() -> None:
        # Until both streams have had results; then the source ends.
        with Client(node.tcp) as client:
            waiting.until(
                lambda: sum(info.counts.answered > 3 for info in client.streams()) == 2, "both streams are answered"
            )
        stop.set()
        hubs[0]._end(None)

    threads = [threading.Thread(target=send, args=(name,)) for name in ("left eye", "right/eye")]
    threads.append(threading.Thread(target=look))
    for thread in threads:
        thread.start()
    described = tmp_path / "out.json"
    flags = ["--box", "9,9,30,30", "--json", str(described), "-o", str(tmp_path / "out.mp4")]
    done = maskbus(node, "stream", "imagezmq://127.0.0.1:0", *flags)
    for thread in threads:
        thread.join(20)
    assert re.search(r"^left-eye: \d+ frames, \d+ masks", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^right-eye: \d+ frames, \d+ masks", done.stdout, re.MULTILINE), done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"out.json", "out-left-eye.mp4", "out-right-eye.mp4"}
    assert {image["stream"] for image in json.loads(described.read_text())["images"]} == {"left-eye", "right-eye"}


@posix
def test_ctrl_c_finishes_what_is_there(tmp_path: Path) -> None:
    """A file that is played at its own speed, interrupted in the middle: all files are whole."""
    video, length = tmp_path / "clip.mp4", 120
    clip.write(video, Scene(160, 120, seed=0), 4.0, length, seed=0)
    described, out = tmp_path / "out.json", tmp_path / "out.mp4"
    with node_process("--log-level", "warning") as node, Client(node.endpoint) as client:
        command = [sys.executable, "-m", "maskbus", "stream", str(video), "--point", "80,60", "--policy", "newest"]
        command += ["-o", str(out), "--json", str(described), "--endpoint", node.endpoint]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # What a shell starts in its background is deaf to Ctrl-C, and so is all that it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process:
            waiting.until(lambda: any(info.counts.answered > 2 for info in client.streams()), "frames are answered")
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=30)
        assert process.returncode == 128 + signal.SIGINT
        assert "Traceback" not in stderr
        assert "clip: " in stdout
        assert client.streams() == []
    frames = len(json.loads(described.read_text())["images"])
    assert 2 < frames < length
    assert len(read_video(out)) >= frames


def test_a_node_that_was_restarted_is_noticed(video: Path, tmp_path: Path) -> None:
    """Nothing is resumed in silence: the node forgets the stream in the middle, and the command says so."""
    with live_node(default_model="echo") as node, Client(node.tcp) as client:

        def forget() -> None:
            waiting.until(lambda: any(info.counts.answered > 2 for info in client.streams()), "frames are answered")
            client.close_stream("clip")

        thread = threading.Thread(target=forget)
        thread.start()
        done = maskbus(node, "stream", str(video), "--point", "80,60", "--policy", "newest", code=1)
        thread.join(20)
    assert "the node had forgotten the stream 1 times" in done.stderr
    assert "node restarted: " in done.stdout


def test_a_node_that_dies_under_cameras_is_told_of() -> None:
    with node_process("--log-level", "warning") as node, Client(node.endpoint) as client:
        command = [sys.executable, "-m", "maskbus", "simulate", "--size", "160x120", "--seconds", "3"]
        command += ["--endpoint", node.endpoint]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            waiting.until(lambda: any(info.counts.answered > 2 for info in client.streams()), "frames are answered")
            node.process.kill()
            stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "maskbus: the figures are not whole: " in stderr
    assert "Traceback" not in stderr
    assert "1 camera" in stdout  # what is known is printed all the same


def simulate(node: LiveNode, *arguments: str) -> dict[str, object]:
    plain: dict[str, object] = json.loads(maskbus(node, "simulate", *arguments, "--json").stdout)
    return plain


def cameras_of(plain: dict[str, object]) -> list[dict[str, int]]:
    found = plain["cameras"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("flags", [["--encoding", "raw", "--shared-memory"], ["--moving-shapes", "--track"]])
def test_simulated_cameras_send_and_count_every_frame(node: LiveNode, flags: list[str]) -> None:
    cameras = cameras_of(simulate(node, "--cameras", "3", "--fps", "20", "--size", "160x120", "--seconds", "1", *flags))
    assert [camera["name"] for camera in cameras] == ["cam0", "cam1", "cam2"]
    for camera in cameras:
        assert camera["results"] > 0
        assert camera["errors"] == 0
        dropped = camera["dropped"]
        assert isinstance(dropped, dict)
        not_sent = dropped.pop("not sent", 0)
        assert camera["sent"] == camera["results"] + sum(dropped.values())
        assert camera["due"] == camera["sent"] + not_sent + camera["late"]
    with Client(node.tcp) as client:
        assert client.streams() == []


def test_the_overlap_with_the_truth_is_that_of_the_masks(node: LiveNode) -> None:
    with Client(node.tcp) as client:  # its worker is there from here on
        client.segment(np.zeros((24, 32, 3), np.uint8), points=(16, 12), model="grabcut")
    plain = simulate(node, "--model", "grabcut", "--size", "160x120", "--fps", "5", "--seconds", "4")
    overlap = plain["mean_iou"]
    assert isinstance(overlap, float)
    assert overlap > 0.9


def test_faults_harm_nobody_else(node: LiveNode) -> None:
    flags = ["--cameras", "2", "--fps", "20", "--size", "160x120", "--seconds", "1.5"]
    faults = ["--garbage", "5", "--change-size", "7", "--vanish", "0.5", "--stamp-offset=-1763000000"]
    cameras = cameras_of(simulate(node, *flags, *faults, "--policy", "every"))
    for camera in cameras:
        assert camera["errors"] > 0
        assert camera["results"] > 3
        # Everything is accounted for, and what is wrong is called wrong.
        assert camera["dropped"] == {"failed": camera["errors"]}
        assert camera["sent"] == camera["results"] + camera["errors"]
        assert abs(camera["age_ms"]) < 60_000, "ages are by the camera's own clock"
    assert cameras[0]["sent"] < 0.8 * cameras[1]["sent"]


def test_a_real_video(node: LiveNode, tmp_path: Path) -> None:
    folder = tmp_path / "dog"
    folder.mkdir()
    davis.frames("dog", 3, folder)
    truth = [cv2.imread(str(davis.annotation("dog", number)), cv2.IMREAD_GRAYSCALE) > 0 for number in range(3)]
    depth = cv2.distanceTransform(truth[0].astype(np.uint8), cv2.DIST_L2, 5)
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    described = tmp_path / "out.json"
    flags = ["--model", "grabcut", "--point", f"{x},{y}", "--json", str(described)]
    done = maskbus(node, "stream", str(folder), *flags)
    assert "dog: 3 frames, 3 masks, 0 dropped" in done.stdout
    plain = json.loads(described.read_text())
    assert [image["file_name"] for image in plain["images"]] == [f"{number:05}.jpg" for number in range(3)]
    held = plain["annotations"][0]["segmentation"]
    found = rle.decode(held["counts"], *held["size"])
    assert found.shape == truth[0].shape
    assert found[y, x]


def test_a_cup_is_followed_through_a_demonstration(node: LiveNode, tmp_path: Path) -> None:
    clip_file = tmp_path / "short.mp4"
    reader = cv2.VideoCapture(str(davis.demo("02_cups.mp4")))
    width, height = int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT))
    writer = cv2.VideoWriter(str(clip_file), cv2.VideoWriter.fourcc(*"mp4v"), 30.0, (width, height))
    for _ in range(12):
        writer.write(reader.read()[1])
    writer.release()
    data, film = tmp_path / "masks.json", tmp_path / "film.mp4"
    done = maskbus(
        node,
        "stream",
        str(clip_file),
        "--box",
        "566,284,744,548",
        "--track",
        "--model",
        "grabcut",
        "-o",
        str(film),
        "--json",
        str(data),
    )
    assert "12 frames, 12 masks, 0 dropped" in done.stdout
    found = json.loads(data.read_text())
    assert [one["track_id"] for one in found["annotations"]] == [1] * 12
    assert cv2.VideoCapture(str(film)).get(cv2.CAP_PROP_FRAME_COUNT) == 12
    areas = [one["area"] / (width * height) for one in found["annotations"]]
    assert all(0.01 < area < 0.1 for area in areas), areas
