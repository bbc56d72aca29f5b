import contextlib
import os
import sys
from pathlib import Path

import pytest

from maskbus.engine.launch import ProcessLauncher, ThreadLauncher, WorkerSpec
from maskbus.handlers.echo import EchoHandler
from maskbus.worker.channel import Channel, pack, unpack
from support.models import PATIENCE_S

ECHO = "maskbus.handlers.echo:EchoHandler"


def hello(directory, target=ECHO):
    message = {"type": "hello", "slots": str(directory), "weights_dir": "", "embedding_bytes": 0, "heartbeat_s": 100.0}
    message["embedding_ttl_s"] = 0.0
    message["tracker_bytes"] = 1 << 20
    return message | {"max_pixels": 100, "model": "m", "handler": target, "device": "cpu", "threads": 0, "options": {}}


def first_word(connection, message):
    connection.settimeout(PATIENCE_S)
    channel = Channel(connection)
    channel.send([pack(message)])
    return channel, unpack(channel.receive()[0])


def launchers():
    return [ProcessLauncher(), ThreadLauncher({ECHO: EchoHandler})]


@pytest.mark.parametrize("launcher", launchers(), ids=["process", "thread"])
def test_a_worker_lives_until_its_line_is_closed(launcher, tmp_path):
    connection, body = launcher.start(WorkerSpec(1, "m", ECHO))
    channel, word = first_word(connection, hello(tmp_path))
    assert word == {"type": "ready", "batch": 1, "weights": ""}
    assert body.ended() is None
    assert not body.wait(0.0)
    channel.close()
    assert body.wait(PATIENCE_S)
    assert body.ended() in {"ended", "exited with code 0"}


@pytest.mark.parametrize("launcher", launchers(), ids=["process", "thread"])
def test_kill(launcher, tmp_path):
    connection, body = launcher.start(WorkerSpec(1, "m", ECHO))
    channel, _ = first_word(connection, hello(tmp_path))
    body.kill()
    assert body.wait(PATIENCE_S)
    assert body.ended() in {"ended", "ended by signal 9"}
    body.kill()
    channel.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_worker_process_inherits_its_line_and_nothing_else(tmp_path):
    secret = os.open(tmp_path / "secret", os.O_RDWR | os.O_CREAT)
    other, other_body = ProcessLauncher().start(WorkerSpec(1, "m", ECHO))
    connection, body = ProcessLauncher().start(WorkerSpec(2, "m", ECHO, threads=3))
    channel, _ = first_word(connection, hello(tmp_path))
    try:
        files = {}
        for descriptor in Path(f"/proc/{body.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # what its heartbeat had open for a moment
                files[descriptor.name] = os.readlink(descriptor)
        opened = [path for number, path in files.items() if int(number) > 2]
        assert sum(path.startswith("socket:") for path in opened) == 1
        assert not any("secret" in path for path in files.values())
        environment = Path(f"/proc/{body.pid}/environ").read_bytes().split(b"\0")
        assert {b"OMP_NUM_THREADS=3", b"OPENBLAS_NUM_THREADS=3", b"MKL_NUM_THREADS=3"} <= set(environment)
        assert os.getsid(body.pid) == body.pid
    finally:
        os.close(secret)
        other.close()
        channel.close()
        assert body.wait(PATIENCE_S)
        assert other_body.wait(PATIENCE_S)


def test_handler_that_cannot_be_imported(tmp_path):
    connection, body = ProcessLauncher(log_level="error").start(WorkerSpec(1, "m", "nothing:Nothing"))
    channel, word = first_word(connection, hello(tmp_path, "nothing:Nothing"))
    assert (word["type"], word["code"]) == ("failed", "model_unavailable")
    assert "nothing" in word["message"]
    assert body.wait(PATIENCE_S)
    channel.close()
