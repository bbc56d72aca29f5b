"""The two slots, from the child's side; the parent's is a file that says what the test wants."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from maskbus.adapters.mailbox import Mailbox, ReplyTooLarge
from maskbus_wire import shared_layout
from maskbus_wire.errors import WireError
from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.shared_layout import ENCODINGS, HAS_CHECKSUM, Entry
from support.parents import Mapped, packed

REQUEST = packed([b"head", b"pixels"])


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    made = Mailbox(tmp_path, 8192, DEFAULT_LIMITS)
    yield made
    made.close()
    assert not any(tmp_path.iterdir())


@pytest.fixture
def parent(mailbox: Mailbox) -> Iterator[Mapped]:
    made = Mapped(mailbox.file.path)
    yield made
    made.close()


def refused(mailbox: Mailbox, rung: int | None) -> WireError:
    with pytest.raises(WireError) as caught:
        mailbox.take(rung)
    mailbox.answer([b"sorry"])
    return caught.value


def test_the_file_has_two_slots_and_a_secret(mailbox: Mailbox, parent: Mapped) -> None:
    assert (parent.header.slots, parent.header.slot_bytes) == (2, 8192)
    assert parent.header.token == mailbox.token
    assert any(mailbox.token)
    if os.name != "nt":
        assert parent.path.stat().st_mode & 0o777 == 0o600


def test_a_request_and_its_reply(mailbox: Mailbox, parent: Mapped) -> None:
    for number in range(1, 4):
        frames = mailbox.take(parent.write(REQUEST))
        assert frames is not None
        assert [bytes(frame) for frame in frames] == [b"head", b"pixels"]
        taken = parent.entry(0)
        assert (taken.state, taken.owner) == (shared_layout.READING, shared_layout.NODE)
        mailbox.answer([b"reply", b"mask"])
        entry, reply = parent.read()
        assert reply == [b"reply", b"mask"]
        assert entry.generation == mailbox.generation == 2 * number
        assert (entry.encoding, entry.flags) == (ENCODINGS["message"], 0)
        assert parent.entry(0) == Entry(generation=2 * number)


def test_a_request_is_a_copy(mailbox: Mailbox, parent: Mapped) -> None:
    frames = mailbox.take(parent.write(REQUEST))
    assert frames is not None
    os.pwrite(parent.descriptor, bytes(100), parent.header.offset(0))
    assert [bytes(frame) for frame in frames] == [b"head", b"pixels"]


def test_a_checksum_goes_both_ways(mailbox: Mailbox, parent: Mapped) -> None:
    rung = parent.write(REQUEST, flags=HAS_CHECKSUM, checksum=zlib.crc32(REQUEST))
    assert mailbox.take(rung) is not None
    mailbox.answer([b"reply"])
    entry, _ = parent.read()  # which compares it
    assert entry.flags == HAS_CHECKSUM
    error = refused(mailbox, parent.write(REQUEST, flags=HAS_CHECKSUM, checksum=1))
    assert error.code == "invalid_image"


@pytest.mark.parametrize(
    "lie",
    [
        {"state": shared_layout.WRITING},
        {"state": shared_layout.READING, "owner": shared_layout.NODE},
        {"state": shared_layout.ANSWERED},
        {"state": 77},
        {"owner": shared_layout.NODE},
        {"owner": shared_layout.NOBODY},
        {"encoding": ENCODINGS["rgb8"]},
        {"encoding": 4_000_000_000},
        {"length": 0},
        {"length": len(REQUEST) - 1},
        {"length": len(REQUEST) + 1},
        {"length": 8193},
        {"length": 2**64 - 1},
    ],
    ids=str,
)
def test_lies(mailbox: Mailbox, parent: Mapped, lie: dict[str, int]) -> None:
    error = refused(mailbox, parent.write(REQUEST, **lie))
    assert (error.code, error.path) == ("malformed", "")
    parent.read()
    assert parent.entry(0).state == shared_layout.FREE
    assert mailbox.take(parent.write(REQUEST)) is not None


@pytest.mark.parametrize(("generation", "rung"), [(3, 3), (2, 4), (2**64 - 1, 2**64 - 1)])
def test_impossible_generations(mailbox: Mailbox, parent: Mapped, generation: int, rung: int) -> None:
    parent.write(REQUEST, generation=generation)
    assert refused(mailbox, rung).code == "malformed"
    assert parent.entry(0).generation % 2 == 0


def test_rung_once_too_often(mailbox: Mailbox, parent: Mapped) -> None:
    assert mailbox.take(0) is None
    rung = parent.write(REQUEST)
    assert mailbox.take(rung) is not None
    mailbox.answer([b"reply"])
    assert mailbox.take(rung) is None
    parent.write(REQUEST)
    assert mailbox.take(rung) is None
    assert mailbox.take(None) is not None


def test_what_the_parent_wrote_of_the_reply_does_not_matter(mailbox: Mailbox, parent: Mapped) -> None:
    rubbish = Entry(*[2**32 - 1] * 10)
    os.pwrite(parent.descriptor, rubbish.pack(), shared_layout.entry_offset(1))
    assert mailbox.take(parent.write(REQUEST)) is not None
    mailbox.answer([b"reply"])
    entry, frames = parent.read()
    assert (entry.generation, frames) == (2, [b"reply"])


def test_a_reply_that_does_not_fit(mailbox: Mailbox, parent: Mapped) -> None:
    assert mailbox.take(parent.write(REQUEST)) is not None
    with pytest.raises(ReplyTooLarge, match="8201 bytes; its slot has 8192"):
        mailbox.answer([bytes(8185)])
    assert parent.entry(1) == Entry()
    mailbox.answer([bytes(8176)])
    assert parent.read()[0].length == 8192


@pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be cut short there")
@pytest.mark.parametrize("length", [0, 64, 200, 4096, 4100])
def test_a_file_that_was_cut_short(mailbox: Mailbox, parent: Mapped, length: int) -> None:
    before = os.pread(parent.descriptor, 128, 0)
    rung = parent.write(REQUEST)
    os.truncate(parent.path, length)
    error = refused(mailbox, rung)
    assert error.code == "malformed"
    assert "cut short" in error.message
    parent.read()
    assert os.pread(parent.descriptor, 128, 0) == before
    assert mailbox.take(parent.write(REQUEST)) is not None


def test_written_to_while_it_was_read(mailbox: Mailbox, parent: Mapped, monkeypatch: pytest.MonkeyPatch) -> None:
    read_into = mailbox.file.read_into

    def meddle(target: memoryview, index: int) -> None:
        read_into(target, index)
        entry = replace(parent.entry(0), generation=parent.generation + 1)
        os.pwrite(parent.descriptor, entry.pack(), shared_layout.entry_offset(0))

    rung = parent.write(REQUEST)
    monkeypatch.setattr(mailbox.file, "read_into", meddle)
    assert "written to while it was read" in refused(mailbox, rung).message
