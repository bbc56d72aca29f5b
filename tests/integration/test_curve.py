"""Encrypted connections: who has the keys is served, who has not gets no answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskbus.config import ConfigError
from maskbus_client import Client, Keys, NodeUnreachable
from maskbus_wire.requests import Ping
from support.cpp import binary
from support.nodes import live_node
from support.peer import Peer

PICTURE = np.zeros((8, 9, 3), np.uint8)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    for name in ("node", "arm", "stranger"):
        command = [sys.executable, "-m", "maskbus", "keys", str(tmp_path / "keys"), "--name", name]
        subprocess.run(command, check=True, capture_output=True)
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "arm.key").write_bytes((tmp_path / "keys" / "arm.key").read_bytes())
    return tmp_path / "keys"


def refused(endpoint: str, keys: Keys | None) -> bool:
    with Client(endpoint, keys=keys, connect_timeout=1) as client:
        try:
            client.ping(deadline=1)
        except NodeUnreachable:
            return True
    return False


def test_encrypted_node(keys: Path) -> None:
    with live_node(models=["echo"], secret_key_file=str(keys / "node.key_secret")) as node:
        with Client(node.tcp, keys=Keys.load(keys / "node.key")) as client:
            assert client.segment(PICTURE, box=(0, 0, 3, 3)).best.area == 9
            client.segment(PICTURE, box=(0, 0, 3, 3), publish="t")
            with client.subscribe("t", timeout=10) as topic:
                assert next(topic).best.area == 9
        assert refused(node.tcp, None)
        assert refused(node.tcp, Keys.load(keys / "stranger.key"))
        with Peer(node.context, node.tcp) as plain:
            plain.send(Ping())
            assert plain.quiet(300)


def test_list_of_clients(keys: Path) -> None:
    settings = {"secret_key_file": str(keys / "node.key_secret"), "client_keys_dir": str(keys.parent / "allowed")}
    with live_node(models=["echo"], **settings) as node:
        with Client(node.tcp, keys=Keys.load(keys / "node.key", keys / "arm.key_secret")) as client:
            client.ping()
        assert refused(node.tcp, Keys.load(keys / "node.key", keys / "stranger.key_secret"))
        assert refused(node.tcp, Keys.load(keys / "node.key"))


def test_keys_from_the_environment(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public = Keys.load(keys / "node.key").server
    assert len(public) == 40
    with live_node(models=["echo"], secret_key_file=str(keys / "node.key_secret")) as node:
        monkeypatch.setenv("MASKBUS_SERVER_KEY", public)
        with Client(node.tcp) as client:
            client.ping()


def test_secret_key_that_others_can_read(keys: Path) -> None:
    secret = keys / "node.key_secret"
    assert secret.stat().st_mode & 0o077 == 0
    secret.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"), live_node(secret_key_file=str(secret)):
        pass


@pytest.mark.parametrize("name", ["node.key", "nothing"])
def test_file_that_is_no_secret_key(keys: Path, name: str) -> None:
    (keys / "node.key").chmod(0o600)
    with pytest.raises(ConfigError, match="secret_key_file"), live_node(secret_key_file=str(keys / name)):
        pass


def test_wrong_keys_are_found_out_at_once(keys: Path) -> None:
    with pytest.raises(ValueError, match="holds no CURVE key"):
        Keys.load(keys / "nothing")
    with pytest.raises(ValueError, match="40 characters"):
        Client(keys=Keys("x", "y", "z"))


def test_keys_are_not_overwritten(keys: Path) -> None:
    command = [sys.executable, "-m", "maskbus", "keys", str(keys), "--name", "node"]
    again = subprocess.run(command, check=False, capture_output=True, text=True)
    assert again.returncode == 1
    assert "is there already" in again.stderr


def test_secret_stays_out_of_representations(keys: Path) -> None:
    loaded = Keys.load(keys / "node.key", keys / "arm.key_secret")
    assert loaded.secret not in repr(loaded)


def test_the_cpp_client_takes_its_keys_from_the_environment(keys: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (40, 30), "red").save(photo)
    settings = {"secret_key_file": str(keys / "node.key_secret"), "client_keys_dir": str(keys.parent / "allowed")}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MASKBUS_")}
    with live_node(models=["echo"], **settings) as node:
        command = [binary("segment_photo"), photo, "20,15", tmp_path / "mask.pgm", "--endpoint", node.tcp]
        for name, code in (("arm", 0), ("stranger", 1)):
            secrets = {
                "MASKBUS_SERVER_KEY": str(keys / "node.key"),
                "MASKBUS_CLIENT_KEY": str(keys / f"{name}.key_secret"),
            }
            done = subprocess.run(command, env=clean | secrets, capture_output=True, text=True, check=False, timeout=60)
            assert done.returncode == code, done.stderr
    with Image.open(tmp_path / "mask.pgm") as mask:
        assert mask.size == (40, 30)
