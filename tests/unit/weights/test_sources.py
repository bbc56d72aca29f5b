"""Servers that refuse, lie or lead elsewhere; mirrors; and disks that fill up."""

from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from maskbus.weights import WeightsError
from maskbus.weights.pull import pull
from support.file_server import FileServer, body, cut, entry, moved, status
from support.pulling import DATA, PATH, QUICK, Heard, is_clean


@pytest.mark.parametrize("code", [403, 404, 500, 503])
def test_the_mirror_serves_where_the_first_does_not(
    server: FileServer, tmp_path: Path, code: int, heard: Heard
) -> None:
    server.files["/mirror"] = DATA
    server.script[PATH] = [status(code)]
    wanted = entry(DATA, server.url + PATH, server.url + "/mirror")
    assert pull(wanted, tmp_path, patience=QUICK, report=heard).read_bytes() == DATA
    assert f"answers {code}" in heard.sentences[0]
    assert [request.path for request in server.requests] == [PATH, "/mirror"]


def test_the_mirror_goes_on_where_the_first_broke_off(server: FileServer, tmp_path: Path) -> None:
    server.files["/mirror"] = DATA
    server.script[PATH] = [cut(70_000), status(404)]
    wanted = entry(DATA, server.url + PATH, server.url + "/mirror")
    assert pull(wanted, tmp_path, patience=QUICK).read_bytes() == DATA
    assert server.requests[-1].path == "/mirror"
    assert server.ranges()[-1] == "bytes=70000-"
    assert "If-Range" not in server.requests[-1].headers


def test_a_server_that_has_answered_once_is_forgiven(server: FileServer, tmp_path: Path) -> None:
    server.script[PATH] = [cut(70_000), status(503), status(429)]
    assert pull(entry(DATA, server.url + PATH), tmp_path, patience=QUICK).read_bytes() == DATA


def test_wrong_bytes_are_removed_and_the_next_source_is_asked(server: FileServer, tmp_path: Path, heard: Heard) -> None:
    server.files[PATH] = bytes(len(DATA))
    server.files["/mirror"] = DATA
    wanted = entry(DATA, server.url + PATH, server.url + "/mirror")
    assert pull(wanted, tmp_path, patience=QUICK, report=heard).read_bytes() == DATA
    assert "was expected" in heard.sentences[0]
    assert server.ranges() == ["", ""]
    assert is_clean(tmp_path)


@pytest.mark.parametrize("wrong", [b"", bytes(len(DATA)), DATA + b"more", b"<html>Please log in</html>"])
def test_nothing_is_left_of_wrong_bytes(server: FileServer, tmp_path: Path, wrong: bytes) -> None:
    server.files[PATH] = wrong
    with pytest.raises(WeightsError, match="could not be had"):
        pull(entry(DATA, server.url + PATH), tmp_path, patience=QUICK)
    assert not (tmp_path / "tested.pt").exists()
    assert not (tmp_path / "tested.pt.part").exists() or not (tmp_path / "tested.pt.part").stat().st_size


def test_more_bytes_than_the_file_has_are_not_taken(server: FileServer, tmp_path: Path) -> None:
    server.script[PATH] = [body(DATA + bytes(1000))]  # no length: it ends with the connection
    with pytest.raises(WeightsError, match="sends more than the 200000 bytes"):
        pull(entry(DATA, server.url + PATH), tmp_path, patience=QUICK)


def test_a_compressed_answer_is_not_taken(server: FileServer, tmp_path: Path) -> None:
    server.script[PATH] = [body(b"x", Content_Encoding="gzip", Content_Length=1)]
    with pytest.raises(WeightsError, match="compressed"):
        pull(entry(DATA, server.url + PATH, size=None), tmp_path, patience=QUICK)


def test_redirects_are_followed(server: FileServer, tmp_path: Path) -> None:
    server.script["/old"] = [moved(server.url + PATH), moved(server.url + PATH)]
    server.script[PATH] = [cut(70_000)]
    assert pull(entry(DATA, server.url + "/old"), tmp_path, patience=QUICK).read_bytes() == DATA
    assert server.ranges() == ["", "", "bytes=70000-", "bytes=70000-"]


def test_a_redirect_in_a_circle_ends(server: FileServer, tmp_path: Path) -> None:
    server.script[PATH] = [moved(server.url + PATH)] * 50
    with pytest.raises(WeightsError, match="302"):
        pull(entry(DATA, server.url + PATH), tmp_path, patience=QUICK)


def test_a_redirect_to_a_file_of_this_machine_is_refused(server: FileServer, tmp_path: Path) -> None:
    server.script[PATH] = [moved("file:///etc/passwd")]
    with pytest.raises(WeightsError, match="could not be had"):
        pull(entry(DATA, server.url + PATH), tmp_path, patience=QUICK)


def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1:9: Connection refused") as caught:
        pull(entry(DATA, "http://127.0.0.1:9/a", "http://127.0.0.1:9/b"), tmp_path, patience=QUICK)
    assert f"maskbus models pull tested --weights-dir {tmp_path} --from FILE" in str(caught.value)


def test_a_proxy_of_the_environment_is_used(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    server.files["http://weights.invalid/tested.pt"] = DATA
    assert pull(entry(DATA, "http://weights.invalid/tested.pt"), tmp_path, patience=QUICK).read_bytes() == DATA


def test_a_disk_without_room_is_told_before_anything_comes(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1000, 1, 999))
    with pytest.raises(WeightsError, match=r"999 bytes free.*200000 more.*--weights-dir"):
        pull(entry(DATA, server.url + PATH), tmp_path, patience=QUICK)
    assert not (tmp_path / "tested.pt.part").stat().st_size


def test_a_disk_that_fills_up_keeps_what_has_come(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = entry(DATA, server.url + PATH, server.url + "/mirror")
    left = 70_000
    write = os.write

    def write_while_there_is_room(file: int, data: memoryview) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        left -= (count := write(file, data[:left]))
        return count

    with monkeypatch.context() as patch:
        patch.setattr("maskbus.weights.part.os.write", write_while_there_is_room)
        with pytest.raises(WeightsError, match=r"No space is left.* 130000 bytes are missing"):
            pull(wanted, tmp_path, patience=QUICK)
    assert (tmp_path / "tested.pt.part").read_bytes() == DATA[:70_000]
    assert pull(wanted, tmp_path, patience=QUICK).read_bytes() == DATA
    assert server.ranges() == ["", "bytes=70000-"]  # and the mirror was not asked


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WeightsError, match="file"):
        pull(entry(DATA), tmp_path / "file" / "weights", patience=QUICK)


def test_a_link_in_the_way_of_the_part_is_not_written_through(server: FileServer, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    directory = tmp_path / "weights"
    directory.mkdir()
    (directory / "tested.pt.part").symlink_to(precious)
    with pytest.raises(WeightsError, match=r"tested\.pt\.part"):
        pull(entry(DATA, server.url + PATH), directory, patience=QUICK)
    assert precious.read_bytes() == b"precious"
