import os
import stat
from pathlib import Path

import pytest

from maskbus import directories
from maskbus.directories import UnsafeDirectory, private

pytestmark = pytest.mark.skipif(os.name == "nt", reason="owners and modes are those of POSIX")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_directory_is_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        assert private(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    finally:
        os.umask(before)
    assert mode(tmp_path / "a" / "b") == 0o700


def test_one_s_own_private_directory_is_used_again(tmp_path):
    private(tmp_path / "a")
    (tmp_path / "a" / "file").write_bytes(b"x")
    assert private(tmp_path / "a") == tmp_path / "a"
    assert (tmp_path / "a" / "file").exists()


@pytest.mark.parametrize("wrong", [0o755, 0o710, 0o701, 0o777])
def test_a_directory_open_to_others(tmp_path, wrong):
    path = tmp_path / "open"
    path.mkdir()
    path.chmod(wrong)
    with pytest.raises(UnsafeDirectory, match="chmod 700"):
        private(path)
    assert mode(path) == wrong


def test_a_link_to_a_private_directory(tmp_path):
    private(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(UnsafeDirectory):
        private(tmp_path / "link")


def test_a_link_to_nothing(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    with pytest.raises(UnsafeDirectory):
        private(tmp_path / "link")
    assert not (tmp_path / "nothing").exists()


def test_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(UnsafeDirectory):
        private(tmp_path / "file")


def test_somebody_else_s(tmp_path, monkeypatch):
    private(tmp_path / "a")
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    with pytest.raises(UnsafeDirectory, match="another user"):
        private(tmp_path / "a")


def test_runtime_directory_as_configured(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert directories.runtime(str(tmp_path / "mine")) == tmp_path / "mine"
    assert directories.runtime("~/run") == tmp_path / "run"


def test_runtime_directory_of_the_session(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert directories.runtime() == tmp_path / "maskbus"
    assert mode(tmp_path / "maskbus") == 0o700


@pytest.mark.parametrize("value", ["", "/does/not/exist"])
def test_runtime_directory_without_a_session(tmp_path, monkeypatch, value):
    monkeypatch.setenv("XDG_RUNTIME_DIR", value)
    monkeypatch.setattr(directories.tempfile, "gettempdir", lambda: str(tmp_path))
    assert directories.runtime() == tmp_path / f"maskbus-{os.getuid()}"


def test_shared_memory_is_private():
    path = directories.shared_memory()
    assert mode(path) == 0o700
    assert str(os.getuid()) in path.name


def test_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert directories.weights("~/w") == tmp_path / "w"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert directories.weights() == tmp_path / "cache" / "maskbus" / "weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert directories.weights() == Path(tmp_path) / ".cache" / "maskbus" / "weights"
    assert not (tmp_path / "cache").exists()


def test_shared_memory_as_configured(tmp_path):
    assert directories.shared_memory(str(tmp_path / "images")) == tmp_path / "images"
    assert mode(tmp_path / "images") == 0o700
    (tmp_path / "images").chmod(0o750)
    with pytest.raises(UnsafeDirectory):
        directories.shared_memory(str(tmp_path / "images"))
