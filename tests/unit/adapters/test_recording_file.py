"""A recording on the disk: whole, cut short, damaged, and where there is no more room."""

from __future__ import annotations

import errno
import io
import random

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory
from PIL import Image as Pictures

from maskbus.adapters.recording import output
from maskbus.adapters.recording.inbox import Arrival
from maskbus.adapters.recording.output import Output
from maskbus.adapters.recording.recorder import _read
from maskbus.adapters.recording.recording import Recording, UnreadableRecording
from maskbus.adapters.recording.recording_file import RecordingFile
from maskbus.adapters.recording.wanted import Wanted
from support import recordings

MASK = np.zeros((30, 40), np.bool_)
MASK[5:20, 10:25] = True


def scene(count=10, size=(30, 40), seed=0):
    """Return frames and masks of a stream, ten of each a second."""
    draw = np.random.default_rng(seed)
    messages = []
    for seq in range(count):
        pixels = draw.integers(0, 256, (*size, 3), np.uint8)
        stamp = recordings.START + seq * 10**8
        messages.append(recordings.recorded(recordings.rgb_frame(pixels, seq=seq, stamp=stamp), seq / 10))
        masks = recordings.masks([np.roll(MASK, seq, 1)], seq=seq, stamp=stamp, published=seq)
        messages.append(recordings.recorded(masks, seq / 10 + 0.05))
    return messages


def write(path, messages, *, draw=True, close=True, **options):
    file = RecordingFile(Output(path, **options))
    for message in messages:
        arrival = Arrival(message.log_time, list(message.frames))
        file.write(arrival, _read(arrival), draw=draw)
    if close:
        file.close()
    return file


def read(path, *arguments, **options):
    with Recording(path) as recording:
        return list(recording.messages(*arguments, **options))


def test_everything_comes_back(tmp_path):
    messages = scene()
    write(tmp_path / "run.mcap", messages)
    assert read(tmp_path / "run.mcap") == messages
    with Recording(tmp_path / "run.mcap") as recording:
        contents = recording.contents()
        assert list(recording.messages()) == list(recording.messages()) == messages  # --loop
    assert contents.topics == {"frames/front": 10, "masks/front/grabcut": 10}
    assert contents.views == {
        "frames/front": ("foxglove.RawImage", 10),
        "masks/front/grabcut": ("foxglove.CompressedImage", 10),
        "masks/front/grabcut/annotations": ("foxglove.ImageAnnotations", 10),
    }
    assert (contents.start, contents.seconds, contents.is_cut) == (recordings.START, 0.95, False)


def test_viewers_find_pixels_and_masks(tmp_path):
    """Read as a viewer does: by the library's own reader and the definitions in the file."""
    messages = scene(3)
    write(tmp_path / "run.mcap", messages)
    with (tmp_path / "run.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()])
        topics = ["frames/front", "masks/front/grabcut", "masks/front/grabcut/annotations"]
        found = {topic: list(reader.iter_decoded_messages([topic])) for topic in topics}
        wire = {channel.topic: channel for channel in reader.get_summary().channels.values()}["wire/frames/front"]
        assert reader.get_summary().schemas[wire.schema_id].name == "maskbus.Message"
        assert wire.message_encoding == "msgpack"
        assert {index.compression for index in reader.get_summary().chunk_indexes} == {"zstd"}
    draw = np.random.default_rng(0)
    for seq in range(3):
        image, picture, outlines = (found[topic][seq] for topic in topics)
        pixels = np.frombuffer(image.decoded_message.data, np.uint8).reshape(30, 40, 3)
        assert np.array_equal(pixels, draw.integers(0, 256, (30, 40, 3), np.uint8))
        labels = np.asarray(Pictures.open(io.BytesIO(picture.decoded_message.data)))
        assert np.array_equal(labels == 1, np.roll(MASK, seq, 1))
        assert len(outlines.decoded_message.points) == 1
        stamp = recordings.START + seq * 10**8
        assert image.message.publish_time == picture.message.publish_time == stamp
        assert image.message.log_time == stamp
        assert picture.message.log_time == stamp + 50_000_000
        # A viewer puts masks on the frame of the same time.
        times = [view.decoded_message.timestamp for view in (image, picture, outlines)]
        assert {(time.seconds, time.nanos) for time in times} == {divmod(stamp, 10**9)}


def test_parts(tmp_path):
    messages = scene()
    write(tmp_path / "run.mcap", messages)
    assert read(tmp_path / "run.mcap", Wanted(["masks/"])) == messages[1::2]
    assert read(tmp_path / "run.mcap", start=0.3) == messages[6:]
    assert read(tmp_path / "run.mcap", end=0.3) == messages[:7]
    assert read(tmp_path / "run.mcap", Wanted(["frames/"]), start=0.2, end=0.4) == messages[4:9:2]
    assert read(tmp_path / "run.mcap", start=10) == []


def test_without_pictures(tmp_path):
    write(tmp_path / "run.mcap", scene(), draw=False)
    with Recording(tmp_path / "run.mcap") as recording:
        assert recording.contents().views == {}
    assert read(tmp_path / "run.mcap") == scene()


def test_what_is_no_message_of_this_version_is_kept_as_it_is(tmp_path):
    odd = [
        [b"masks/x"],
        [b"masks/x", b"\xc1"],
        [b"masks/\xff", b"\x80", b"more"],
        [b"frames/x", *scene(1)[1].frames[1:]],
    ]
    odd.append(recordings.rgb_frame(np.zeros((3, 3, 3), np.uint8))[:2])  # its pixels are missing
    messages = [recordings.recorded(frames, at) for at, frames in enumerate(odd)]
    write(tmp_path / "run.mcap", messages)
    assert read(tmp_path / "run.mcap") == messages


def test_camera_that_goes_over_to_files(tmp_path):
    file = io.BytesIO()
    Pictures.new("RGB", (4, 4)).save(file, "PNG")
    frames = [recordings.rgb_frame(np.zeros((4, 4, 3), np.uint8)), recordings.frame(file.getvalue(), "png")]
    write(tmp_path / "run.mcap", [recordings.recorded(frame, at) for at, frame in enumerate(frames * 2)])
    with Recording(tmp_path / "run.mcap") as recording:
        assert recording.contents().views == {
            "frames/front": ("foxglove.RawImage", 2),
            "frames/front/CompressedImage": ("foxglove.CompressedImage", 2),
        }


def test_file_that_is_there_is_not_overwritten(tmp_path):
    path = tmp_path / "run.mcap"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        Output(path)
    assert path.read_text() == "precious"
    write(path, scene(1), force=True)
    assert read(path) == scene(1)


def test_file_that_is_cut_anywhere(tmp_path, monkeypatch):
    monkeypatch.setattr("maskbus.adapters.recording.recording_file._CHUNK", 20_000)
    messages = scene()
    write(tmp_path / "run.mcap", messages)
    data = (tmp_path / "run.mcap").read_bytes()
    seed = random.randrange(10**6)
    print("seed", seed)
    draw = random.Random(seed)
    counts = []
    for size in sorted([8, 9, 17, len(data) - 1, *(draw.randrange(8, len(data)) for _ in range(60))]):
        (tmp_path / "cut.mcap").write_bytes(data[:size])
        with Recording(tmp_path / "cut.mcap") as recording:
            assert recording.is_cut
            found = list(recording.messages())
            contents = recording.contents()
        assert found == messages[: len(found)]
        assert contents.is_cut
        assert sum(contents.topics.values()) == len(found)
        counts.append(len(found))
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert counts[-1] == len(messages)
    assert len(set(counts)) > 3


def test_file_that_is_damaged(tmp_path):
    """Wherever a byte is wrong: its messages, fewer of them, or one sentence."""
    write(tmp_path / "run.mcap", scene(2))
    data = (tmp_path / "run.mcap").read_bytes()
    seed = random.randrange(10**6)
    print("seed", seed)
    draw = random.Random(seed)
    for _ in range(150):
        broken = bytearray(data)
        broken[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        (tmp_path / "broken.mcap").write_bytes(broken)
        try:
            found = read(tmp_path / "broken.mcap")
            with Recording(tmp_path / "broken.mcap") as recording:
                recording.contents()
        except UnreadableRecording as error:
            found = str(error).splitlines()[1:]  # one line
        assert len(found) <= 4


def test_a_summary_that_counts_what_is_not_there(tmp_path):
    write(tmp_path / "run.mcap", scene(2))
    with Recording(tmp_path / "run.mcap") as recording:
        recording._summary.channels.clear()
        with pytest.raises(UnreadableRecording, match="damaged"):
            recording.contents()


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89MCAP0\r"])
def test_what_is_no_recording(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(UnreadableRecording, match="not an MCAP file"):
        Recording(tmp_path / "x")


class Disk:
    """A disk with so much room, of which something is kept free."""

    def __init__(self, monkeypatch, room):
        self.room = room
        self.kept = 0
        monkeypatch.setattr(output, "_keep_free", self._keep_free)
        self.opened = None

    def _keep_free(self, directory, nbytes):
        if nbytes > self.room:
            return None
        self.room -= nbytes
        self.kept = nbytes
        return self

    def close(self):
        self.room += self.kept
        self.kept = 0

    def under(self, made):
        real = made._file.write

        def limited(data):
            part = bytes(data)[: self.room]
            if not part:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.room -= len(part)
            return real(part)

        made._file = Limited(made._file, limited)
        return made


class Limited:
    def __init__(self, file, write):
        self._file, self.write = file, write

    def __getattr__(self, name):
        return getattr(self._file, name)


def test_full_disk_ends_the_file_properly(tmp_path, monkeypatch):
    monkeypatch.setattr("maskbus.adapters.recording.recording_file._CHUNK", 20_000)
    disk = Disk(monkeypatch, 200_000)
    file = RecordingFile(disk.under(Output(tmp_path / "run.mcap", reserve=100_000)))
    messages = scene(100)
    written = 0
    while not file.is_full:
        arrival = Arrival(messages[written].log_time, list(messages[written].frames))
        file.write(arrival, _read(arrival), draw=True)
        written += 1
    assert disk.kept == 0
    file.close()
    assert 20 < written < 100
    with Recording(tmp_path / "run.mcap") as recording:
        assert not recording.is_cut
    assert read(tmp_path / "run.mcap") == messages[:written]


def test_disk_without_any_room_left_leaves_what_can_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr("maskbus.adapters.recording.recording_file._CHUNK", 20_000)
    disk = Disk(monkeypatch, 90_000)
    file = RecordingFile(disk.under(Output(tmp_path / "run.mcap", reserve=100_000)))
    messages = scene(100)
    with pytest.raises(OSError, match="No space"):  # noqa: PT012 — which message it is, is not known
        for message in messages:
            arrival = Arrival(message.log_time, list(message.frames))
            file.write(arrival, _read(arrival), draw=True)
    file.abandon()
    with Recording(tmp_path / "run.mcap") as recording:
        assert recording.is_cut
    found = read(tmp_path / "run.mcap")
    assert 5 < len(found) < 100
    assert found == messages[: len(found)]


def test_room_is_kept_free_and_given_back(tmp_path):
    held = output._keep_free(tmp_path, 1 << 20)
    if held is None:
        pytest.skip("nothing can be kept free here")
    assert held.seek(0, 2) == 1 << 20
    assert list(tmp_path.iterdir()) == []  # it has no name that could be left behind
    held.close()
    assert output._keep_free(tmp_path, 1 << 60) is None


def test_what_has_come_is_on_the_disk_after_a_second(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    messages = scene(2)
    file = write(tmp_path / "run.mcap", messages[:3], close=False)
    file.flush_if_due()
    assert read(tmp_path / "run.mcap") == []
    now[0] += 1.0
    file.flush_if_due()
    assert read(tmp_path / "run.mcap") == messages[:3]
    file.close()


def test_whatever_is_published_is_recorded(tmp_path):
    """Anybody may publish anything at an endpoint that is not the node's: it is kept, and drawn if it can be."""
    seed = random.randrange(10**6)
    print("seed", seed)
    draw = random.Random(seed)
    messages = []
    for at in range(400):
        frames = [bytes(frame) for frame in draw.choice(scene(2, seed=at)).frames]
        for _ in range(draw.randrange(1, 4)):
            broken = bytearray(frames[1])
            broken[draw.randrange(len(broken))] = draw.randrange(256)
            frames[1] = bytes(broken)
        messages.append(recordings.recorded(frames[: draw.choice([2, 3, 3, 3])], at))
    write(tmp_path / "run.mcap", messages)
    assert read(tmp_path / "run.mcap") == messages
