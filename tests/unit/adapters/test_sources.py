"""Sources of frames: files, cameras that come and go, and what is no source."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskbus.adapters.sources import find, video_device
from maskbus.adapters.sources.backoff import Backoff
from maskbus.adapters.sources.live import MOST_CAMERAS, LiveSource
from maskbus.adapters.sources.source import Captured, SourceFailed
from maskbus.adapters.sources.video_device import VideoDevice
from maskbus.adapters.sources.video_file import VideoFile
from support import waiting


def ignore(sentence: str) -> None:
    pass


def picture(value: int) -> np.ndarray:
    return np.full((24, 32, 3), value, np.uint8)


def write_video(path: Path, count: int, rate: float = 12.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (32, 24))
    for number in range(count):
        writer.write(picture(20 * number))
    writer.release()
    return path


def test_a_video_gives_each_frame_in_order(tmp_path: Path) -> None:
    with find.find(str(write_video(tmp_path / "a clip.mp4", 9)), ignore) as source:
        assert (source.live, source.rate, source.count, source.name) == (False, 12.0, 9, "a clip")
        values = [float(np.mean(frame.image)) for frame in source.frames() if isinstance(frame.image, np.ndarray)]
    assert np.abs(np.array(values) - 20 * np.arange(9)).max() < 8
    assert source.unreadable == 0


def test_frames_that_a_file_announces_and_does_not_hold_are_counted(tmp_path: Path) -> None:
    with VideoFile(write_video(tmp_path / "clip.mp4", 9)) as source:
        source.count = 12
        assert len(list(source.frames())) == 9
        assert source.unreadable == 3


def test_a_video_ends_when_it_is_closed(tmp_path: Path) -> None:
    source = VideoFile(write_video(tmp_path / "clip.mp4", 9))
    frames = source.frames()
    next(frames)
    source.close()
    source.close()
    assert list(frames) == []


def test_a_folder_gives_its_pictures_by_name(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "C.JPG"):
        assert cv2.imwrite(str(tmp_path / name), picture(9))
    (tmp_path / "notes.txt").write_text("no picture")
    with find.find(str(tmp_path), ignore) as source:
        assert source.count == 3
        frames = list(source.frames())
    assert [frame.name for frame in frames] == ["C.JPG", "a.jpg", "b.png"]
    assert frames[1].image == (tmp_path / "a.jpg").read_bytes()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("notes.txt", "not a video"),
        ("empty.mp4", "not a video"),
        ("cut.mp4", "not a video"),
        ("folder", "no JPEG, PNG or WebP file"),
        ("camera:x", "camera:0"),
        ("camera:-1", "camera:0"),
        ("camera:99", "Camera 99 cannot be opened"),
        ("/dev/video99", "/dev/video99 cannot be opened"),
        ("rtsp://", "rtsp://HOST/PATH"),
        ("ftp://host/a.mp4", "no source ftp://"),
        ("imagezmq://127.0.0.1", "imagezmq://HOST:PORT"),
        ("imagezmq://127.0.0.1:1/x", "imagezmq://HOST:PORT"),
        ("imagezmq://no.such.host.invalid:5555", "imagezmq://no.such.host.invalid:5555: "),
        ("lerobot://127.0.0.1", "lerobot://HOST:PORT/CAMERA"),
    ],
)
def test_what_is_no_source(tmp_path: Path, name: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("no video")
    Path("empty.mp4").touch()
    Path("cut.mp4").write_bytes(write_video(tmp_path / "clip.mp4", 9).read_bytes()[:300])
    Path("folder").mkdir()
    with pytest.raises(SourceFailed, match=words):
        find.find(name, ignore)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find.find(str(tmp_path / "none.mp4"), ignore)


def test_a_damaged_picture_in_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff")
    with find.find(str(tmp_path), ignore) as source, pytest.raises(SourceFailed, match=r"a\.jpg is not a JPEG"):
        list(source.frames())


class Script(LiveSource):
    """Put frames when told to."""

    name = "script"

    def __init__(self) -> None:
        super().__init__(ignore)
        self.released = 0

    def _read(self) -> None:
        self._ending.wait()

    def _release(self) -> None:
        self.released += 1

    def put(self, camera: str, value: int) -> bool:
        return self._put(Captured(picture(value), camera=camera))


def test_only_the_newest_frame_of_each_camera_is_kept_and_each_has_its_turn() -> None:
    with Script() as source:
        assert isinstance(source, Script)
        for value in range(5):
            source.put("left", value)
        source.put("right", 9)
        source.put("left", 5)
        frames = source.frames()
        assert [next(frames).camera for _ in range(2)] == ["left", "right"]
        assert source.skipped == 5
        source.put("left", 6)
        frame = next(frames)
        assert isinstance(frame.image, np.ndarray)
        assert frame.image.flat[0] == 6


def test_names_without_end_are_no_cameras() -> None:
    with Script() as source:
        assert isinstance(source, Script)
        assert all(source.put(f"camera {number}", 0) for number in range(MOST_CAMERAS))
        assert not source.put("one more", 0)
        assert source.put("camera 0", 0)


def test_closing_ends_an_iteration_in_another_thread() -> None:
    source = Script()
    got: list[Captured] = []
    thread = threading.Thread(target=lambda: got.extend(source.frames()))
    thread.start()
    waiting.until(lambda: source._thread is not None and source._thread.is_alive(), "the reader runs")
    source.close()
    thread.join(10)
    assert not thread.is_alive()
    assert got == []


def test_a_reader_that_fails_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    hooked: list[object] = []
    monkeypatch.setattr(threading, "excepthook", hooked.append)

    class Broken(Script):
        def _read(self) -> None:
            raise RuntimeError("a bug")

    with Broken() as source:
        assert list(source.frames()) == []
    assert len(hooked) == 1


class Device:
    """A camera that delivers so many frames each time that it is opened, and is there or not."""

    def __init__(self, *frames: int) -> None:
        self.left = list(frames)
        self.opened = 0
        self.released = 0

    def open(self) -> Capture:
        count = self.left.pop(0) if self.left else 0
        self.opened += 1
        return Capture(self, count)


class Capture:
    def __init__(self, device: Device, count: int) -> None:
        self.device = device
        self.count = count

    def isOpened(self) -> bool:
        return self.count >= 0

    def read(self) -> tuple[bool, np.ndarray | None]:
        if self.count <= 0:
            return False, None
        self.count -= 1
        return True, picture(self.count)

    def release(self) -> None:
        self.device.released += 1


@pytest.fixture
def quick() -> Iterator[Backoff]:
    return Backoff(first=0.001, most=0.004)


def test_a_camera_that_goes_away_is_looked_for_until_it_is_back(quick: Backoff) -> None:
    device = Device(3, -1, -1, -1, 2, -1)
    told: list[str] = []
    source = VideoDevice("Camera 0", "camera0", device.open, told.append, backoff=quick)
    with source:
        frames = source.frames()
        next(frames)
        waiting.until(lambda: device.opened >= 8, "it goes on looking")
    assert device.released >= device.opened
    assert [sentence.split(";")[0] for sentence in told] == [
        "Camera 0 has gone away",
        "Camera 0 is back.",
        "Camera 0 has gone away",
    ]


def test_a_camera_that_is_not_there_at_first_is_an_error(quick: Backoff) -> None:
    device = Device(-1)
    with pytest.raises(SourceFailed, match="Camera 0 cannot be opened"):
        VideoDevice("Camera 0", "camera0", device.open, ignore, backoff=quick)
    assert device.released == 1


def test_pauses_double_have_chance_in_them_and_begin_anew() -> None:
    backoff = Backoff(first=1.0, most=10.0)
    for most in (1.0, 2.0, 4.0, 8.0, 10.0, 10.0):
        assert most / 2 <= backoff.next() <= most
    for _ in range(2000):
        assert backoff.next() <= 10.0
    backoff.reset()
    assert backoff.next() <= 1.0
    assert len({Backoff().next() for _ in range(5)}) > 1


def test_passwords_in_addresses_are_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_device.opencv, "capture", lambda *_, **__: Capture(Device(), -1))
    with pytest.raises(SourceFailed) as caught:
        find.find("rtsp://admin:secret@camera.example:554/main?key=hidden", ignore)
    assert "rtsp://camera.example:554/main cannot be opened" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "hidden" not in str(caught.value)
