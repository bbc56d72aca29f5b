"""The bell: who has the token is heard, and nobody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from maskbus.adapters.bell import SocketBell, make_ring, read_ring
from maskbus.adapters.events_windows import EventsBell, NoEvents

TOKEN = bytes(range(16))


PARENTS: list[zmq.Socket] = []


@pytest.fixture
def context() -> Iterator[zmq.Context]:
    made: zmq.Context = zmq.Context()
    yield made
    while PARENTS:
        PARENTS.pop().close()
    made.destroy(linger=0)


def heard(bell: SocketBell) -> list[int | None]:
    assert bell.pollable.poll(5000)
    return bell.hear()


def dealer(context: zmq.Context, bell: SocketBell) -> zmq.Socket:
    made = context.socket(zmq.DEALER)
    made.linger = 0
    made.rcvtimeo = 5000
    made.connect(bell.address)
    PARENTS.append(made)
    return made


def test_there_and_back(context: zmq.Context, tmp_path: Path) -> None:
    bell = SocketBell(context, tmp_path, TOKEN)
    parent = dealer(context, bell)
    bell.ring(2)  # nobody is there: nothing happens
    parent.send(make_ring(TOKEN, 4))
    assert heard(bell) == [4]
    assert bell.hear() == []
    bell.ring(6)
    assert parent.recv() == make_ring(TOKEN, 6)
    bell.close()


@pytest.mark.parametrize(
    "frames",
    [
        [make_ring(bytes(16), 4)],
        [make_ring(TOKEN, 4)[:-1]],
        [make_ring(TOKEN, 4) + b"x"],
        [b""],
        [make_ring(TOKEN, 4), b""],
    ],
)
def test_strangers_are_not_heard(context: zmq.Context, tmp_path: Path, frames: list[bytes]) -> None:
    assert read_ring(frames, TOKEN) is None
    bell = SocketBell(context, tmp_path, TOKEN)
    stranger, parent = dealer(context, bell), dealer(context, bell)
    parent.send(make_ring(TOKEN, 2))
    assert heard(bell) == [2]
    stranger.send_multipart(frames)
    assert heard(bell) == []
    bell.ring(8)  # still for the parent
    assert parent.recv() == make_ring(TOKEN, 8)
    bell.close()


def test_a_parent_that_is_gone(context: zmq.Context, tmp_path: Path) -> None:
    bell = SocketBell(context, tmp_path, TOKEN)
    parent = dealer(context, bell)
    parent.send(make_ring(TOKEN, 2))
    assert heard(bell) == [2]
    parent.close()
    for _ in range(100):
        bell.ring(4)
    bell.close()


def test_where_no_path_is_possible_it_is_a_port_of_loopback(context: zmq.Context, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    for directory in (deep, tmp_path / "missing"):
        bell = SocketBell(context, directory, TOKEN)
        assert bell.address.startswith("tcp://127.0.0.1:")
        parent = dealer(context, bell)
        parent.send(make_ring(TOKEN, 2))
        assert heard(bell) == [2]
        bell.close()


@pytest.mark.skipif(os.name == "nt", reason="ipc is POSIX's here")
def test_else_it_is_in_the_private_directory(context: zmq.Context, tmp_path: Path) -> None:
    bell = SocketBell(context, tmp_path, TOKEN)
    assert bell.address == f"ipc://{tmp_path / 'bell'}"
    bell.close()


@pytest.mark.skipif(os.name == "nt", reason="they are there")
def test_named_events_are_there_on_windows_only() -> None:
    with pytest.raises(NoEvents, match="Windows only"):
        EventsBell("program")


@pytest.mark.skipif(os.name != "nt", reason="named events are there on Windows only")
def test_named_events() -> None:
    import ctypes
    import secrets

    name = f"maskbus-{secrets.token_hex(8)}"
    kernel = ctypes.WinDLL("kernel32")
    kernel.CreateEventW.restype = ctypes.c_void_p
    bell = EventsBell(name)
    request = ctypes.c_void_p(kernel.CreateEventW(None, False, False, f"{name}.request"))
    reply = ctypes.c_void_p(kernel.CreateEventW(None, False, False, f"{name}.reply"))
    assert bell.hear() == []
    kernel.SetEvent(request)
    poller = zmq.Poller()
    poller.register(bell.pollable, zmq.POLLIN)
    assert poller.poll(5000)
    assert bell.hear() == [None]
    bell.ring(2)
    assert kernel.WaitForSingleObject(reply, 5000) == 0
    bell.close()
    for handle in (request, reply):
        kernel.CloseHandle(handle)
