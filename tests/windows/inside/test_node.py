"""A node of Windows: its signals, its workers, and the lines to them."""

import signal
import statistics
import subprocess
import sys
import time

import pytest

from maskbus.engine.launch import ProcessLauncher, WorkerSpec
from maskbus.socket_pair import socket_pair
from maskbus.worker.channel import Channel


@pytest.fixture
def lines():
    ours, theirs = map(Channel, socket_pair())
    yield ours, theirs
    ours.close()
    theirs.close()


def test_a_line_that_nobody_reads_holds_nobody_up(lines):
    ours, _ = lines
    message = [bytes(1 << 20)]
    assert any(not ours.send_now(message) for _ in range(100))


def test_parts_of_a_message_do_not_wait_for_one_another(lines):
    ours, theirs = lines
    took = []
    for _ in range(50):
        begin = time.perf_counter()
        ours.send([b"control", b"header", b"attachment"])
        theirs.receive()
        theirs.send([b"control", b"header"])
        ours.receive()
        took.append(time.perf_counter() - begin)
    assert statistics.median(took) < 0.02  # else each part waits until the one before it has been acknowledged


def test_a_worker_takes_its_socket_and_ends_with_it():
    connection, body = ProcessLauncher().start(WorkerSpec(0, "echo", "maskbus.handlers.echo:EchoHandler"))
    assert body.ended() is None
    connection.close()
    assert body.wait(30)
    assert body.ended() == "exited with code 0"


def test_ctrl_break_ends_an_idle_node():
    command = [sys.executable, "-m", "maskbus", "serve", "--model", "echo", "--default-model", "echo", "--no-preload"]
    command += ["--bind", "tcp://127.0.0.1:*", "--publish", "tcp://127.0.0.1:*"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, creationflags=subprocess.CREATE_NEW_PROCESS_GROUP, **pipes) as node:
        try:
            assert " ready: " in node.stdout.readline()
            node.send_signal(signal.CTRL_BREAK_EVENT)
            output, log = node.communicate(timeout=30)
        finally:
            node.kill()
    assert (node.returncode, output) == (0, ""), log
    assert "Stopped." in log
