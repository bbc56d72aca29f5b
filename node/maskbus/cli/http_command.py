"""`maskbus http`: a gateway for what speaks HTTP and no ZeroMQ, in front of a node."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from maskbus import __version__, environment_aliases
from maskbus.cli import http_line
from maskbus.cli.failure import CommandFailed
from maskbus.cli.http_flags import DEFAULT_PORT, Address
from maskbus.cli.long_running import Signals
from maskbus.environment_aliases import GatewayAliases

if TYPE_CHECKING:
    from maskbus.adapters.http.settings import Settings

log = logging.getLogger(__name__)

_NEEDED = {
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "python_multipart": "python-multipart",
    "prometheus_client": "prometheus-client",
}
"""Module → the package that it comes with."""


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM; return 0 after a clean stop."""
    require_installed()
    signals = Signals()
    environment = environment_aliases.completed(os.environ) if arguments.drop_in else os.environ
    aliases = environment_aliases.of_gateway(environment)
    address = arguments.listen.with_port(aliases.port).with_port(DEFAULT_PORT)
    check_local(address, arguments.allow_remote)
    logging.basicConfig(
        stream=sys.stderr,
        level=arguments.log_level.upper(),
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    if arguments.log_level != "debug":
        logging.getLogger("uvicorn").setLevel("WARNING")  # the ready line says all that it would
    for sentence in aliases.taken:
        log.info("%s", sentence)

    from maskbus.adapters import parent_watch
    from maskbus.adapters.http.server import Server

    try:
        server = Server(arguments.endpoint, address.host, address.port, _settings(arguments, aliases))
    except ValueError as error:
        raise CommandFailed(str(error)) from None
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
            raise
        raise CommandFailed(f"{address}: {error.strerror}. Name another: [HOST:]PORT (0: any).") from None
    signals.running = server
    if arguments.with_parent:
        parent_watch.on_end_of_input(server.stop)
    print(http_line.HttpLine(__version__, server.url, server.endpoint), flush=True)
    server.run()
    return 0


def require_installed() -> None:
    """Raise CommandFailed for a package that is missing."""
    for module, package in _NEEDED.items():
        if find_spec(module) is None:
            raise CommandFailed(f"{package} is not installed: pip install 'maskbus[http]'")


def check_local(address: Address, allow_remote: bool) -> None:
    """Raise CommandFailed for an address that others can reach and that nobody has allowed."""
    if not (allow_remote or address.is_local):
        raise CommandFailed(
            f"{address} can be reached from other machines, and nobody is authenticated there. If the network is yours "
            "alone, say --allow-remote."
        )


def _settings(arguments: argparse.Namespace, aliases: GatewayAliases) -> Settings:
    from maskbus.adapters.http.settings import Additions, Limits, Settings
    from maskbus_wire.requests import EverythingOptions

    return Settings(
        limits=Limits(
            body_bytes=arguments.max_body,
            held_bytes=max(Limits.held_bytes, arguments.max_body),
            requests=arguments.max_requests,
        ),
        additions=Additions(
            max_side=aliases.max_side,
            post=aliases.post,
            everything=EverythingOptions(box_nms_thresh=aliases.box_nms_thresh),
        ),
        allow_remote=arguments.allow_remote,
    )
