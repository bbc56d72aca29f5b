"""Recordings of a node and of a replay, and what `maskbus record` and `maskbus replay` say."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import zmq

from maskbus.adapters.recording.output import Output
from maskbus.adapters.recording.player import Player
from maskbus.adapters.recording.recorder import Recorder
from maskbus.adapters.recording.recording import Recording
from maskbus.adapters.recording.recording_file import RecordingFile
from maskbus.adapters.recording.wanted import Wanted
from maskbus.cli import main
from maskbus_client import Client
from support import recordings, waiting
from support.processes import node_process

ANY = "tcp://127.0.0.1:*"
MASK = np.zeros((30, 40), np.bool_)
MASK[5:20, 10:25] = True


def scene(count=10):
    draw = np.random.default_rng(3)
    messages = []
    for seq in range(count):
        pixels = draw.integers(0, 256, (30, 40, 3), np.uint8)
        messages.append(recordings.recorded(recordings.rgb_frame(pixels, seq=seq), seq / 10))
        for topic in ("masks/front/grabcut", "png:masks/front/grabcut"):
            made = recordings.masks([MASK], topic=topic, seq=seq, published=seq)
            messages.append(recordings.recorded(made, seq / 10 + 0.05))
    return messages


def frames(messages):
    return [message.frames for message in messages]


def read(path):
    with Recording(path) as recording:
        return list(recording.messages())


def write(path, messages):
    file = RecordingFile(Output(path))
    for message in messages:
        file.write(message, None, draw=False)
    file.close()


@contextlib.contextmanager
def recording(endpoint, path, *topics, limit=None, **options):
    """Record in a thread; yield the recorder, and wait for its end."""
    context = zmq.Context()
    file = RecordingFile(Output(path))
    recorder = Recorder(context, endpoint, Wanted(topics), file, **options)
    began = threading.Event()
    thread = threading.Thread(target=recorder.run, kwargs={"limit": limit, "began": began.set})
    thread.start()
    try:
        assert began.wait(waiting.PATIENCE)
        yield recorder
        if limit is None:
            recorder.stop()
        thread.join(waiting.PATIENCE)
        assert not thread.is_alive()
        file.close()
    finally:
        recorder.stop()
        thread.join()
        file.abandon()
        context.destroy(linger=0)


def test_a_replay_is_recorded_byte_for_byte(tmp_path):
    messages = [message for message in scene() if ":" not in message.topic]
    with Player(ANY, wait_for_slow=True) as player, recording(player.endpoint, tmp_path / "a", limit=20):
        player.wait_for_subscriber()
        player.play(messages, 0)
    first = read(tmp_path / "a")
    assert frames(first) == frames(messages)
    with Player(ANY, wait_for_slow=True) as player, recording(player.endpoint, tmp_path / "b", limit=20) as recorder:
        player.wait_for_subscriber()
        player.play(first, 50)
    assert frames(read(tmp_path / "b")) == frames(messages)
    assert player.played.topics == {"frames/front": 10, "masks/front/grabcut": 10}
    assert (recorder.tally.messages, recorder.tally.missed, recorder.tally.gaps, recorder.tally.undrawn) == (
        20,
        0,
        0,
        0,
    )


def test_topics_and_what_was_sent_again(tmp_path):
    plain = recordings.masks([MASK], published=5)
    again = recordings.masks([MASK], published=5, retained=True)
    older = recordings.masks([MASK], topic="masks/rear/grabcut", published=2, retained=True)
    sent = [recordings.recorded(message) for message in (older, plain, again, older, again)]
    sent += [recordings.recorded(recordings.masks([MASK], topic="masks/rear2", published=9))]
    sent += [recordings.recorded(recordings.masks([MASK], topic="masks/rear", published=9))]
    with (
        Player(ANY, wait_for_slow=True) as player,
        recording(player.endpoint, tmp_path / "a", "masks/rear", "masks/front", limit=3),
    ):
        player.wait_for_subscriber()
        player.play(sent, 0)
    assert frames(read(tmp_path / "a")) == [sent[0].frames, sent[1].frames, sent[-1].frames]


class Slow:
    """A file on a disk that is slow: it takes nothing until it is told to."""

    def __init__(self, path):
        self.file = RecordingFile(Output(path))
        self.go_on = threading.Event()
        self.is_full = False
        self.flush_if_due = self.file.flush_if_due

    def write(self, *arguments, **options):
        assert self.go_on.wait(waiting.PATIENCE)
        self.file.write(*arguments, **options)


def test_what_there_is_no_room_for_is_counted(tmp_path):
    """The node goes on, pictures are left out first, and nothing is lost without a word."""
    context = zmq.Context()
    slow = Slow(tmp_path / "a")
    with Player(ANY) as player:
        messages = [message for message in scene(50) if message.topic == "frames/front"]
        recorder = Recorder(context, player.endpoint, Wanted(), slow, buffer=40_000)
        take, taken = recorder._take, []
        recorder._take = lambda: taken.append(take())
        thread = threading.Thread(target=recorder.run)
        thread.start()
        player.wait_for_subscriber()
        player.play(messages, 0)
        waiting.until(lambda: len(taken) == 50, "not all has come")
        recorder.stop()
        slow.go_on.set()
        thread.join(waiting.PATIENCE)
    slow.file.close()
    context.destroy(linger=0)
    tally = recorder.tally.topics["frames/front"]
    kept = read(tmp_path / "a")
    assert tally.messages == len(kept) == 50 - tally.missed
    assert 0 < len(kept) < 20
    assert 0 < recorder.tally.undrawn < len(kept)
    # Not always the first ones: while the disk waits there may be room again for one that came later.
    sent = frames(messages)
    places = [sent.index(one) for one in frames(kept)]
    assert places == sorted(set(places))


def maskbus(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "maskbus", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    return done.stdout


@contextlib.contextmanager
def command(*arguments):
    """Start a command, and yield it with its first line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "maskbus", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def test_a_node_is_recorded_and_its_frames_handed_to_it_again(tmp_path):
    """Ctrl-C ends the recording; the frames that are sent again are those that came, and have the same masks."""
    draw = np.random.default_rng(4)
    sent = draw.integers(0, 256, (5, 24, 32, 3), np.uint8)
    with node_process() as node, Client(node.endpoint) as client:
        flags = ("--endpoint", node.endpoint)
        with command("record", "-o", tmp_path / "a", *flags) as (recorder, line):
            assert f"record ready: frames/ and masks/ of {node.topics} go to {tmp_path / 'a'};" in line
            with client.stream("front", box=(4, 4, 20, 20), policy="every", color="bgr") as stream:
                waiting.until(lambda: stream.watched, "the recorder never subscribed")
                for seq, pixels in enumerate(sent):
                    stream.send(pixels, stamp=10**18 + seq, frame_id="cam")
            waiting.until(lambda: (tmp_path / "a").stat().st_size > 3000, "nothing was written")
            recorder.send_signal(signal.SIGINT)
            out, _ = recorder.communicate(timeout=30)
            assert recorder.returncode == 0
        assert re.search(r"a: 10 messages in [\d.]+ s", out), out
        assert re.search(r"masks/front/echo +5 messages", out), out
        first = [message for message in read(tmp_path / "a") if message.topic == "frames/front"]
        assert [message.frames[2] for message in first] == [pixels.tobytes() for pixels in sent]

        with command("record", "-o", tmp_path / "b", *flags, "--limit", 10) as (recorder, _):
            with client.stream("probe") as probe:
                waiting.until(lambda: probe.watched, "the recorder never subscribed")
            out = maskbus("replay", tmp_path / "a", "--to-node", node.endpoint, "--rate", 0, "--box", "4,4,20,20")
            assert out.splitlines() == [
                "front: results under masks/front/echo",
                "front: 5 frames, 5 masks, 0 dropped",
            ]
            recorder.communicate(timeout=30)
    again = [message for message in read(tmp_path / "b") if message.topic == "frames/front"]
    assert frames(again) == frames(first)


def test_replay_for_subscribers_written_for_a_node(tmp_path):
    messages = scene(3)
    write(tmp_path / "run.mcap", [recorded(message) for message in messages])
    with command("replay", tmp_path / "run.mcap", "--rate", 10) as (process, line):
        found = re.fullmatch(r"maskbus \S+ replay ready: topics (\S+)\n", line)
        assert found, line
        with (
            Client("tcp://127.0.0.1:1") as client,
            client.subscribe("masks/front/grabcut", encoding="png", endpoint=found[1], timeout=30) as subscription,
        ):
            results = [next(subscription) for _ in range(3)]
        out, _ = process.communicate(timeout=30)
    assert [result.seq for result in results] == [0, 1, 2]
    assert np.array_equal(results[2].best.to_array(), MASK)
    assert out.splitlines()[-1].startswith("9 messages in ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_replay_that_is_ended(tmp_path, number):
    write(tmp_path / "run.mcap", [recorded(message) for message in scene(3)])
    with command("replay", tmp_path / "run.mcap", "--loop", "--no-wait") as (process, line):
        assert "ready" in line
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert re.search(r"^\d+ messages in ", out, re.MULTILINE)


def recorded(message):
    from maskbus.adapters.recording.inbox import Arrival

    return Arrival(message.log_time, list(message.frames))


def test_what_is_said_of_a_recording(tmp_path):
    write(tmp_path / "run.mcap", [recorded(message) for message in scene()])
    lines = maskbus("replay", tmp_path / "run.mcap", "--info").splitlines()
    assert re.fullmatch(r".*run\.mcap: 30 messages, 0\.9 s from 2023-\S+ \S+", lines[0])
    assert lines[1].split() == ["frames/front", "10", "messages"]
    assert len(lines) == 4


@pytest.fixture
def handlers():
    """Commands handle signals of the whole process."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay", "none.mcap"], "none.mcap: No such file or directory."),
        (["replay", "text", "--info"], "text is not an MCAP file."),
        (["replay", "run.mcap", "--topic", "masks/rear", "--no-wait"], "run.mcap holds no such messages"),
        (["replay", "run.mcap", "--start", "99", "--no-wait"], "run.mcap holds no such messages"),
        (["replay", "run.mcap", "--topic", "gif:masks/"], "--topic: there is no mask encoding 'gif'"),
        (["replay", "run.mcap", "--bind", "nowhere"], "Cannot listen at nowhere: "),
        (["replay", "run.mcap", "--to-node", "tcp://127.0.0.1:1", "--topic", "masks/"], "record frames/ as well."),
        (["replay", "run.mcap", "--to-node", "--track", "--text", "cat"], "shown by points or a box, not by --text."),
        (["record", "-o", "text", "--subscribe", "tcp://127.0.0.1:1"], "text is there already; --force overwrites it."),
        (["record", "-o", "no/a", "--subscribe", "tcp://127.0.0.1:1"], "no/a: No such file or directory."),
        (["record", "-o", "a", "--subscribe", "nowhere"], "--subscribe: An endpoint is tcp://host:port"),
        (["record", "-o", "a", "gif:masks/"], "TOPIC: there is no mask encoding 'gif'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tmp_path, arguments, said, monkeypatch, capsys, handlers):
    (tmp_path / "text").write_text("hello")
    write(tmp_path / "run.mcap", [recorded(message) for message in scene(1)])
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith("maskbus: ")
    assert said in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.mcap", "text"]
