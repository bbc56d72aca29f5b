"""Files of shared memory that two processes of Windows have mapped, and how they go."""

import mmap
import os
import subprocess
import sys

import pytest

from maskbus import removal
from maskbus.engine.instance import InstanceDirectory
from maskbus.engine.shared_file import SharedFile
from maskbus.worker.pictures import SlotReader
from maskbus_wire import shared_layout
from maskbus_wire.shared_layout import Entry

CLIENT = """
import mmap, os, sys
from maskbus_wire import shared_lock
from maskbus_wire.shared_layout import ENTRY_BYTES, Entry, Header, entry_offset
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_BINARY)
shared_lock.hold(descriptor)
memory = mmap.mmap(descriptor, 0)
header = Header.unpack(memory[:128], len(memory))
for index in range(header.slots):
    start = header.offset(index)
    memory[start : start + 4] = b"\\r\\n%d\\n" % index
    at = entry_offset(index)
    memory[at : at + ENTRY_BYTES] = Entry(generation=2 + index, state=2, owner=2, length=4).pack()
print("written", flush=True)
sys.stdin.readline()
print(bytes(memory[header.offset(1) : header.offset(1) + 4]).hex(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path):
    file = SharedFile(tmp_path, 2, 4096)
    yield file
    file.close()


@pytest.fixture
def client(file):
    command = [sys.executable, "-c", CLIENT, str(file.path)]
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert client.stdout.readline().strip() == b"written"
    yield client
    client.kill()
    client.stdin.close()
    client.stdout.close()
    client.wait()


def test_each_sees_what_the_other_writes(file, client):
    for index in range(2):
        assert file.entry(index) == Entry(generation=2 + index, state=2, owner=2, length=4)
        data = bytearray(4)
        file.read_into(memoryview(data), index)
        assert data == b"\r\n%d\n" % index
    assert file.is_held()
    file.write(1, 0, b"\n\r\n\x1a")
    file.write_state(1, shared_layout.ANSWERED, shared_layout.CLIENT)
    client.stdin.write(b"\n")
    client.stdin.flush()
    assert bytes.fromhex(client.stdout.readline().decode()) == b"\n\r\n\x1a"


def test_a_file_that_is_mapped_goes_once_it_is_not(file, client, tmp_path):
    file.close()
    assert removal.is_removed(file.path)
    removal.remove(tmp_path / "another")
    assert file.path.exists()  # what is written there may still be read by who has it mapped
    client.kill()
    client.wait()
    removal.remove(tmp_path / "another")
    assert list(tmp_path.iterdir()) == []


def test_a_worker_lets_go_of_what_is_marked(file, tmp_path):
    reader = SlotReader(tmp_path)
    assert bytes(reader.view(file.name, 8)) == b"MASKBUS\0"
    file.close()
    assert removal.is_removed(file.path)
    reader.forget_removed()
    removal.remove(tmp_path / "another")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_node_left_is_swept(tmp_path):
    program = (
        "import sys; from pathlib import Path; from maskbus.engine.instance import InstanceDirectory\n"
        "instance = InstanceDirectory(Path(sys.argv[1])); (instance.path / 'picture').write_bytes(b'x')\n"
        "print(instance.path, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        left = owner.stdout.readline().strip()
        beside = InstanceDirectory(tmp_path)
        assert beside.swept == 0
        beside.close()
        assert os.path.exists(os.path.join(left, "picture"))
        owner.kill()
    after = InstanceDirectory(tmp_path)
    assert after.swept == 1
    assert {entry.name for entry in tmp_path.iterdir()} == {after.path.name, "sweep.lock"}
    after.close()
    assert {entry.name for entry in tmp_path.iterdir()} == {"sweep.lock"}


def test_pages_are_those_of_windows():
    # Slots lie at multiples of 4096; a mapping of the whole file needs no larger granularity.
    assert mmap.ALLOCATIONGRANULARITY % 4096 == 0
