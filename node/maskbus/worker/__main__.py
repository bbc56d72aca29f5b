"""The worker process: `python -m maskbus.worker --fd N`, started by the node and by nobody else."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import socket
import sys

from maskbus.handlers.registry import load_class
from maskbus.memory import keep_freed_memory
from maskbus.worker.channel import Channel
from maskbus.worker.serve import OutOfMemory, serve

EXIT_OUT_OF_MEMORY = 77


def main() -> int:
    """Serve the socket that was inherited."""
    parser = argparse.ArgumentParser(prog="maskbus.worker")
    parser.add_argument("--fd", type=int, default=-1)
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--log-level", default="info")
    arguments = parser.parse_args()
    logging.basicConfig(
        level=arguments.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s[%(process)d] %(message)s"
    )
    keep_freed_memory()
    _prefer_as_victim()
    _limit_memory(arguments.memory)
    if sys.platform == "win32":
        connection = socket.fromshare(sys.stdin.buffer.read())
    else:
        connection = socket.socket(fileno=arguments.fd)
    with connection:
        try:
            serve(Channel(connection), load_class, orphaned=lambda: os._exit(0))
        except OutOfMemory:
            return EXIT_OUT_OF_MEMORY
        except KeyboardInterrupt:
            return 130
    return 0


def _prefer_as_victim() -> None:
    """Have Linux end a worker rather than the node when the machine runs out of memory."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("500")


def _limit_memory(nbytes: int) -> None:
    if nbytes and sys.platform != "win32":
        import resource

        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (nbytes, nbytes))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # a model library's threads may not hold up the end
