import os
import stat
import sys

import pytest

from maskbus.engine.shared_file import FileCut, SharedFile
from maskbus_wire.shared_layout import ENTRY_BYTES, HEADER_BYTES, Entry, Header, entry_offset
from support.shared import Mapped


@pytest.fixture
def file(tmp_path):
    made = SharedFile(tmp_path, 3, 8192)
    yield made
    made.close()


def test_the_file_is_private_whole_and_as_its_header_says(file, tmp_path):
    status = file.path.lstat()
    assert file.path.parent == tmp_path
    assert stat.S_ISREG(status.st_mode)
    if sys.platform != "win32":
        assert stat.S_IMODE(status.st_mode) == 0o600
        assert status.st_blocks * 512 >= file.header.file_bytes  # its space is taken
    assert status.st_size == file.header.file_bytes
    assert Header.unpack(file.path.read_bytes()[:HEADER_BYTES], status.st_size) == file.header
    assert [file.entry(index) for index in range(3)] == [Entry()] * 3
    assert file.header.token == bytes(16)


def test_names_generations_and_tokens_are_random(tmp_path):
    files = [SharedFile(tmp_path, 1, 4096, with_token=True) for _ in range(3)]
    assert len({file.name for file in files}) == 3
    assert len({file.header.generation for file in files}) == 3
    assert len({file.header.token for file in files} - {bytes(16)}) == 3
    for file in files:
        file.close()
    assert not list(tmp_path.iterdir())


def test_what_is_written_can_be_read_by_either_side(file):
    mapped = Mapped(file.path)
    generation = mapped.write(1, b"0123456789", "mono8", 5, 2, checksum=True, stamp=-7)
    entry = file.entry(1)
    assert (entry.generation, entry.length, entry.width, entry.height, entry.stamp) == (generation, 10, 5, 2, -7)
    target = bytearray(10)
    file.read_into(memoryview(target), 1)
    assert target == b"0123456789"
    file.write(2, 64, b"answer")
    assert mapped.data(2, 64, 6) == b"answer"
    file.write_state(1, 3, 2)
    assert mapped.entry(1) == Entry(**{**entry.__dict__, "state": 3, "owner": 2})
    mapped.close()


def test_a_holder_is_noticed_as_long_as_it_lives(file):
    assert not file.is_held()
    mapped = Mapped(file.path)
    assert file.is_held()
    assert file.is_held()
    mapped.close()
    assert not file.is_held()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not cut a mapped file")
def test_a_file_that_was_cut_short_is_an_error_and_not_the_end(file):
    os.truncate(file.path, entry_offset(2) + ENTRY_BYTES - 1)
    assert not file.is_whole()
    assert file.entry(1) == Entry()
    with pytest.raises(FileCut):
        file.entry(2)
    with pytest.raises(FileCut):
        file.read_into(memoryview(bytearray(10)), 0)


def test_no_room_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(descriptor, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maskbus.engine.shared_file.reserve", full)
    with pytest.raises(OSError, match="No space"):
        SharedFile(tmp_path, 1, 4096)
    assert not list(tmp_path.iterdir())


def test_closing_twice_is_once(file):
    file.close()
    assert not file.is_open
    assert not file.path.exists()
    file.close()
