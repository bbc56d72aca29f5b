"""Recorders that are killed, disks that are full, packages that are missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

from maskbus.adapters.recording.player import Player
from maskbus.adapters.recording.recording import Recording
from support import recordings, waiting

MESSAGES = [
    recordings.recorded(recordings.rgb_frame(np.full((60, 80, 3), seq % 256, np.uint8), seq=seq), seq)
    for seq in range(600)
]
RECORD = [sys.executable, "-m", "maskbus", "record", "--subscribe"]


def test_recorder_that_is_killed(tmp_path):
    """What has come a second before can be replayed, and it is said that the file was cut."""
    path = tmp_path / "run.mcap"
    with Player("tcp://127.0.0.1:*", wait_for_slow=True) as player:
        recorder = subprocess.Popen([*RECORD, player.endpoint, "-o", path], stderr=subprocess.DEVNULL)
        try:
            player.wait_for_subscriber()
            player.play(MESSAGES[:500], 0)
            waiting.until(lambda: path.stat().st_size > 10_000, "nothing was written")
            player.play(MESSAGES[500:600], 0)
        finally:
            recorder.kill()
            recorder.wait()
    with Recording(path) as recording:
        found = list(recording.messages())
    assert 0 < len(found) <= 600
    assert [message.frames for message in found] == [message.frames for message in MESSAGES[: len(found)]]
    said = subprocess.run(
        [sys.executable, "-m", "maskbus", "replay", "--info", path], capture_output=True, text=True, check=True
    )
    assert f"{len(found)} messages" in said.stdout
    assert said.stdout.splitlines()[-1].startswith("The file has no end")
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.mcap"]


def test_full_disk(tmp_path):
    """A disk of its own: the file is closed properly, and says what was left out."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        pytest.skip("no disk can be made here")
    disk = tmp_path / "disk"
    disk.mkdir()
    kept = tmp_path / "kept.mcap"
    noise = np.random.default_rng(6)
    pictures = noise.integers(0, 256, (60, 200, 200, 3), np.uint8)
    messages = [recordings.recorded(recordings.rgb_frame(picture, seq=seq)) for seq, picture in enumerate(pictures)]
    with Player("tcp://127.0.0.1:*") as player:
        script = (
            f"mount -t tmpfs -o size=38m none {disk} || exit 77; "
            f"{' '.join(RECORD)} {player.endpoint} -o {disk}/run.mcap; code=$?; cp {disk}/run.mcap {kept}; exit $code"
        )
        recorder = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        ended = threading.Event()
        said = []

        def wait():
            said.extend(recorder.communicate())
            ended.set()

        threading.Thread(target=wait).start()
        end = waiting.PATIENCE
        while not ended.wait(0.05) and end > 0:
            player.play(messages, 0, wait=False)
            end -= 0.05
        recorder.kill()
        assert ended.wait(waiting.PATIENCE)
    if recorder.returncode != 1 and not kept.exists():
        pytest.skip(f"no disk can be made here: {said[1]}")
    assert recorder.returncode == 1
    assert said[1].splitlines()[-1] == (
        f"maskbus: The disk is full: {disk}/run.mcap was closed, and holds what came until then."
    )
    with Recording(kept) as recording:
        assert not recording.is_cut
        count = len(list(recording.messages()))
    assert f"run.mcap: {count} messages" in said[0]
    assert count > 10


@pytest.mark.parametrize("arguments", [["record", "-o", "a.mcap"], ["replay", "a.mcap"]])
def test_without_the_packages(tmp_path, arguments):
    """They are hidden, as where only a node is installed."""
    program = "import sys; sys.modules['mcap'] = None; from maskbus.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "maskbus: mcap is not installed: pip install 'maskbus[record]'\n"
    assert list(tmp_path.iterdir()) == []
