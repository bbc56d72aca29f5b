"""Downloads that are whole, slow, or broken off, and go on where they were."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from maskbus.weights import WeightsError
from maskbus.weights.digest import remembered
from maskbus.weights.pull import pull
from support import file_server
from support.file_server import FileServer, cut, entry, stall, trickle, without_ranges
from support.pulling import DATA, PATH, QUICK, Heard, is_clean


def test_a_file_arrives_whole_and_its_digest_is_known(server: FileServer, tmp_path: Path, heard: Heard) -> None:
    path = pull(entry(DATA, server.url + PATH), tmp_path / "a" / "b", patience=QUICK, report=heard)
    assert path == tmp_path / "a" / "b" / "tested.pt"
    assert path.read_bytes() == DATA
    assert remembered(path) == hashlib.sha256(DATA).hexdigest()
    assert is_clean(path.parent)
    assert heard.counts == sorted(heard.counts)
    assert heard.counts[-1] == len(DATA)
    assert server.requests[0].headers["User-Agent"].startswith("maskbus/")


def test_what_is_there_is_not_fetched_again(server: FileServer, tmp_path: Path) -> None:
    wanted = entry(DATA, server.url + PATH)
    pull(wanted, tmp_path, patience=QUICK)
    pull(wanted, tmp_path, patience=QUICK)
    assert len(server.requests) == 1


def test_what_is_there_and_damaged_is_replaced(server: FileServer, tmp_path: Path, heard: Heard) -> None:
    (tmp_path / "tested.pt").write_bytes(DATA[:-1] + b"?")
    assert pull(entry(DATA, server.url + PATH), tmp_path, patience=QUICK, report=heard).read_bytes() == DATA
    assert "it is replaced" in heard.sentences[0]


def test_a_broken_connection_is_gone_on_with(server: FileServer, tmp_path: Path, heard: Heard) -> None:
    server.script[PATH] = [cut(70_000), cut(50_000)]
    path = pull(entry(DATA, server.url + PATH), tmp_path, patience=QUICK, report=heard)
    assert path.read_bytes() == DATA
    assert server.ranges() == ["", "bytes=70000-", "bytes=120000-"]
    assert server.requests[1].headers["If-Range"] == server.tag(PATH)
    assert len(heard.sentences) == 2
    assert "ended the connection early" in heard.sentences[0]


def test_a_part_of_an_earlier_run_is_gone_on_with(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "tested.pt.part").write_bytes(DATA[:150_000])
    assert pull(entry(DATA, server.url + PATH), tmp_path, patience=QUICK).read_bytes() == DATA
    assert server.ranges() == ["bytes=150000-"]
    assert is_clean(tmp_path)


def test_a_part_that_is_whole_needs_no_server(tmp_path: Path) -> None:
    (tmp_path / "tested.pt.part").write_bytes(DATA)
    assert pull(entry(DATA, "http://127.0.0.1:9/tested.pt"), tmp_path, patience=QUICK).read_bytes() == DATA


@pytest.mark.parametrize("part", [b"another file" * 1000, DATA + b"too long"])
def test_a_part_of_something_else_is_begun_again(server: FileServer, tmp_path: Path, part: bytes) -> None:
    (tmp_path / "tested.pt.part").write_bytes(part)
    assert pull(entry(DATA, server.url + PATH), tmp_path, patience=QUICK).read_bytes() == DATA
    assert server.ranges()[-1] == ""


def test_a_server_without_ranges_begins_again(server: FileServer, tmp_path: Path) -> None:
    server.script[PATH] = [cut(70_000, ranges=False), without_ranges]
    assert pull(entry(DATA, server.url + PATH), tmp_path, patience=QUICK).read_bytes() == DATA
    assert server.ranges() == ["", "bytes=70000-"]


def test_a_file_that_changed_in_between_begins_again(server: FileServer, tmp_path: Path) -> None:
    """Without a published digest nothing else could tell."""
    wanted = entry(DATA, server.url + PATH, size=None, sha256=None)
    old = bytes(len(DATA))
    server.files[PATH] = old

    def cut_and_change(request: file_server.Request) -> None:
        cut(70_000)(request)
        server.files[PATH] = DATA

    server.script[PATH] = [cut_and_change]
    assert pull(wanted, tmp_path, patience=QUICK).read_bytes() == DATA
    assert server.ranges() == ["", "bytes=70000-"]


def test_a_server_that_answers_another_range_is_not_believed(server: FileServer, tmp_path: Path) -> None:
    def other(request: file_server.Request) -> None:
        where = f"bytes 0-{len(DATA) - 1}/{len(DATA)}"
        request.head(206, Content_Range=where, Content_Length=len(DATA), ETag=server.tag(PATH))
        request.send(DATA)

    server.script[PATH] = [cut(70_000), other]
    assert pull(entry(DATA, server.url + PATH), tmp_path, patience=QUICK).read_bytes() == DATA
    assert server.ranges() == ["", "bytes=70000-", ""]


@pytest.mark.parametrize("step", [stall(1000), trickle], ids=["nothing", "a byte now and then"])
def test_a_server_that_hangs_is_asked_again(server: FileServer, tmp_path: Path, step: file_server.Answer) -> None:
    server.script[PATH] = [step]
    assert pull(entry(DATA, server.url + PATH), tmp_path, patience=QUICK).read_bytes() == DATA
    assert len(server.requests) == 2
    assert server.ranges()[1].startswith("bytes=")


def test_a_server_that_hangs_for_ever_is_given_up(server: FileServer, tmp_path: Path) -> None:
    server.script[PATH] = [stall(1000), *[stall(0)] * 5]
    with pytest.raises(WeightsError, match="timed out, again and again"):
        pull(entry(DATA, server.url + PATH), tmp_path, patience=QUICK)
    assert len(server.requests) == 4  # three in a row brought nothing
    assert (tmp_path / "tested.pt.part").read_bytes() == DATA[:1000]


def test_attempts_are_bounded_even_if_each_brings_something(server: FileServer, tmp_path: Path) -> None:
    server.script[PATH] = [cut(10)] * 100
    with pytest.raises(WeightsError, match="again and again"):
        pull(entry(DATA, server.url + PATH), tmp_path, patience=QUICK)
    assert len(server.requests) == QUICK.attempts
    assert (tmp_path / "tested.pt.part").stat().st_size == 60
