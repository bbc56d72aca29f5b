"""What wakes a node that waits."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.nodes import live_node


def test_the_number_of_a_signal_is_no_order_to_stop() -> None:
    with live_node() as node:
        node.bus._waker.send(bytes([2, 15, 21]))  # as the interpreter does, before it calls the handler
        assert node.stats().received == 1
        assert node.stats().received == 2


_SERVE = """
import signal, sys, threading

from maskbus.cli import main

def elsewhere():
    sys.stdin.readline()
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

threading.Thread(target=elsewhere, daemon=True).start()
sys.exit(main(["serve", "--no-ipc", "--no-preload", "--bind", "tcp://127.0.0.1:*", "--publish", "tcp://127.0.0.1:*"]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals for threads")
def test_a_signal_that_does_not_end_the_poll_stops_the_node() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert " ready: " in process.stdout.readline()
            process.communicate("now\n", timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
