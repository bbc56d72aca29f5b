import os
import signal
import subprocess
import sys

import pytest

from maskbus.engine.instance import InstanceDirectory

OWNER = """
import sys, time
from pathlib import Path
from maskbus.engine.instance import InstanceDirectory
directory = InstanceDirectory(Path(sys.argv[1]))
(directory.path / "picture").write_bytes(bytes(1000))
print(directory.path, flush=True)
time.sleep(600)
"""


@pytest.fixture
def owner(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    process.path = process.stdout.readline().strip()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def names(parent):
    return {path.name for path in parent.iterdir()} - {"sweep.lock"}


def test_a_directory_is_private_and_goes_with_its_owner(tmp_path):
    instance = InstanceDirectory(tmp_path)
    assert instance.swept == 0
    assert instance.path.parent == tmp_path
    assert instance.path.stat().st_mode & 0o777 == 0o700
    (instance.path / "picture").write_bytes(b"x")
    instance.close()
    assert names(tmp_path) == set()
    instance.close()


def test_two_in_one_process_do_not_sweep_each_other(tmp_path):
    first, second = InstanceDirectory(tmp_path), InstanceDirectory(tmp_path)
    assert second.swept == 0
    assert names(tmp_path) == {first.path.name, second.path.name}
    first.close()
    assert names(tmp_path) == {second.path.name}
    second.close()


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
def test_a_killed_owner_is_swept_and_a_living_one_is_not(tmp_path, owner):
    assert os.path.exists(os.path.join(owner.path, "picture"))
    beside = InstanceDirectory(tmp_path)
    assert beside.swept == 0
    beside.close()
    assert os.path.exists(os.path.join(owner.path, "picture"))

    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert os.path.exists(owner.path)
    after = InstanceDirectory(tmp_path)
    assert after.swept == 1
    assert names(tmp_path) == {after.path.name}
    after.close()


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
def test_a_stopped_owner_lives(tmp_path, owner):
    owner.send_signal(signal.SIGSTOP)
    instance = InstanceDirectory(tmp_path)
    assert instance.swept == 0
    assert os.path.exists(owner.path)
    instance.close()


def test_a_half_made_directory_is_swept(tmp_path):
    half = tmp_path / "0123456789abcdef"
    half.mkdir()
    (half / "picture").write_bytes(b"x")
    instance = InstanceDirectory(tmp_path)
    assert instance.swept == 1
    assert not half.exists()
    instance.close()


def test_what_is_no_directory_is_left_alone(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    parent = tmp_path / "parent"
    elsewhere.mkdir()
    parent.mkdir()
    (elsewhere / "precious").write_bytes(b"x")
    (parent / "link").symlink_to(elsewhere, target_is_directory=True)
    (parent / "file").write_bytes(b"x")
    instance = InstanceDirectory(parent)
    assert instance.swept == 0
    assert (elsewhere / "precious").exists()
    assert names(parent) == {"link", "file", instance.path.name}
    instance.close()
