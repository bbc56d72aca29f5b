"""A node of Windows: its signals, its workers, and the lines to them."""

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


SIGNALLED = """
import os, signal, sys, threading, time
from maskbus.cli import main

def interrupt():
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.01)
    signal.raise_signal(signal.SIGBREAK)  # as the system does for Ctrl-Break: in a thread of its own

threading.Thread(target=interrupt, daemon=True).start()
sys.exit(main(sys.argv[2:]))
"""


def test_a_signal_ends_an_idle_node(tmp_path):
    command = [sys.executable, "-c", SIGNALLED, str(tmp_path / "now"), "serve", "--no-preload"]
    command += ["--model", "echo", "--default-model", "echo"]
    command += ["--bind", "tcp://127.0.0.1:*", "--publish", "tcp://127.0.0.1:*"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as node:
        try:
            assert " ready: " in node.stdout.readline()
            (tmp_path / "now").touch()
            output, log = node.communicate(timeout=30)
        finally:
            node.kill()
    assert (node.returncode, output) == (0, ""), log
    assert "Stopped." in log


def test_libraries_can_be_loaded_while_the_parent_is_waited_for():
    program = (
        "from maskbus.adapters.parent_watch import on_end_of_input\n"
        "thread = on_end_of_input(lambda: print('gone', flush=True))\n"
        "import numpy, cv2; print('loaded', flush=True); thread.join()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            child.stdin.write(b"what nobody reads")
            child.stdin.flush()
            assert child.stdout.readline().strip() == b"loaded"
            child.stdin.close()
            assert child.stdout.read().strip() == b"gone"
        finally:
            child.kill()
