"""`maskbus view`: a page of this machine's own that shows every stream, and takes clicks."""

from __future__ import annotations

import argparse
import contextlib
import errno
import tempfile
import webbrowser
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from maskbus import __version__
from maskbus.cli.failure import CommandFailed
from maskbus.cli.long_running import Signals

_NEEDED = ("starlette", "uvicorn", "websockets", "cv2")


def run(arguments: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C or SIGTERM; return 0 after a clean stop."""
    for name in _NEEDED:
        if find_spec(name) is None:
            raise CommandFailed(f"{name} is not installed: pip install 'maskbus[view]'")
    signals = Signals()
    from maskbus.adapters.viewer.server import Server

    try:
        server = Server(arguments.endpoint, port=arguments.port, prefix=arguments.prefix)
    except ValueError as error:
        raise CommandFailed(str(error)) from None
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise CommandFailed(f"Port {arguments.port}: {error.strerror}. Name another: --port PORT (0: any).") from None
    signals.running = server
    print(f"maskbus {__version__} view ready: {server.url} (streams of {server.endpoint})", flush=True)
    with _opened(server.url) if arguments.open else contextlib.nullcontext():
        server.run()
    return 0


@contextlib.contextmanager
def _opened(url: str) -> Iterator[None]:
    """Open the page in the user's browser.

    The address goes through a file that only its user can read: on a command line everybody could, key and all.
    """
    with tempfile.TemporaryDirectory(prefix="maskbus-view-") as directory:
        file = Path(directory, "view.html")
        file.write_text(f'<!doctype html><title>maskbus view</title><meta http-equiv="refresh" content="0; url={url}">')
        if not webbrowser.open(file.as_uri()):
            print("maskbus: no browser could be started; open the address by hand.", flush=True)
        yield
