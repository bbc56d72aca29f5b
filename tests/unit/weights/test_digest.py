"""A digest is remembered for as long as the file is the same, and no longer."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from maskbus.weights import digest

DATA = bytes(range(256)) * 5000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file.pt"
    path.write_bytes(DATA)
    return path


def stamp(path: Path) -> Path:
    return path.with_name(f".{path.name}.checked")


def test_the_digest_is_that_of_the_file(path: Path) -> None:
    read: list[int] = []
    assert digest.remembered(path) is None
    assert digest.sha256(path, advanced=read.append) == hashlib.sha256(DATA).hexdigest()
    assert read == [digest.CHUNK, len(DATA)]


def test_a_file_that_stays_is_read_once(path: Path) -> None:
    read: list[int] = []
    first = digest.sha256(path)
    assert digest.sha256(path, advanced=read.append) == digest.remembered(path) == first
    assert not read
    digest.sha256(path, afresh=True, advanced=read.append)
    assert read


def test_a_file_that_was_written_to_is_read_again(path: Path) -> None:
    digest.sha256(path)
    before = path.stat()
    path.write_bytes(DATA[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as who wants to hide it would
    assert digest.remembered(path) is None
    assert digest.sha256(path) == hashlib.sha256(DATA[::-1]).hexdigest()


def test_another_file_of_the_same_name_is_read_again(path: Path) -> None:
    digest.sha256(path)
    other = path.with_name("other")
    other.write_bytes(DATA[::-1])
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    os.replace(other, path)
    assert digest.sha256(path) == hashlib.sha256(DATA[::-1]).hexdigest()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sha256": 1}', "null", "\x00"])
def test_a_note_that_makes_no_sense_is_not_believed(path: Path, text: str) -> None:
    digest.sha256(path)
    stamp(path).write_text(text)
    assert digest.sha256(path) == hashlib.sha256(DATA).hexdigest()
    assert digest.remembered(path)


@pytest.mark.skipif(os.name == "nt", reason="modes are those of POSIX")
def test_a_note_that_others_can_write_is_not_believed(path: Path) -> None:
    before = os.umask(0o000)
    try:
        digest.sha256(path)
        assert digest.remembered(path)  # whatever the umask
    finally:
        os.umask(before)
    stamp(path).chmod(0o666)
    assert digest.remembered(path) is None


def test_a_directory_that_cannot_be_written_is_no_obstacle(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*names: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    assert digest.sha256(path) == hashlib.sha256(DATA).hexdigest()
    assert digest.remembered(path) is None
    assert [held.name for held in path.parent.iterdir()] == [path.name]


def test_a_file_that_changes_while_it_is_read_is_not_remembered(path: Path) -> None:
    def append(_: int) -> None:
        if path.stat().st_size == len(DATA):
            with path.open("ab") as stream:
                stream.write(b"more")

    digest.sha256(path, advanced=append)
    assert digest.remembered(path) is None
