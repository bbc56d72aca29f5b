"""The lock of shared memory, between processes of Windows."""

import msvcrt
import os
import subprocess
import sys

import pytest

from maskbus_wire import shared_lock

HOLD = """
import os, sys
from maskbus_wire import shared_lock
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_BINARY)
shared_lock.hold(descriptor)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_bytes(b"m" * 4096)
    return tmp_path / "file"


@pytest.fixture
def descriptor(path):
    descriptor = os.open(path, os.O_RDWR | os.O_BINARY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def hold(path):
    holders = []

    def start():
        command = [sys.executable, "-c", HOLD, str(path)]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holders.append(holder)
        assert holder.stdout.readline().strip() == b"held"
        return holder

    yield start
    for holder in holders:
        holder.kill()
        holder.stdin.close()
        holder.stdout.close()
        holder.wait()


def test_nobody_holds_it(descriptor):
    assert not shared_lock.is_held(descriptor)
    assert not shared_lock.is_held(descriptor)


def test_any_death_frees_it(descriptor, hold):
    holder = hold()
    assert shared_lock.is_held(descriptor)
    holder.kill()
    holder.wait()
    assert not shared_lock.is_held(descriptor)


def test_any_number_may_hold_it(descriptor, hold):
    first, second = hold(), hold()
    first.kill()
    first.wait()
    assert shared_lock.is_held(descriptor)
    second.kill()
    second.wait()
    assert not shared_lock.is_held(descriptor)


def test_it_keeps_nobody_from_the_bytes_of_the_file(path, descriptor, hold):
    hold()
    os.write(descriptor, b"written")
    assert path.read_bytes() == b"written" + b"m" * 4089
    assert path.stat().st_size == 4096
    # wine lets programs write to what others have locked, Windows does not: the lock must lie elsewhere.
    os.lseek(descriptor, 0, os.SEEK_SET)
    msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 4096)
