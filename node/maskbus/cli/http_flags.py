"""The flags of `maskbus http`, and the address that `maskbus serve --http` takes as well."""

from __future__ import annotations

import argparse
import ipaddress
from typing import NamedTuple

from maskbus.cli import prompt_text, quantities

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 5000
_LEAST_BODY = 1 << 10
_MOST_BODY = 4 << 30
_MOST_REQUESTS = 1024


class Address(NamedTuple):
    """Where to listen."""

    host: str
    """An address of version 4 or 6, without brackets."""
    port: int | None
    """None: PORT of the environment, else the default one."""

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    def with_port(self, port: int | None) -> Address:
        """Return the same with this port, where it names none itself."""
        return self._replace(port=port if self.port is None else self.port)

    @property
    def as_flag(self) -> str:
        """Return what `address` reads as the same: without a port, where none is named."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def __str__(self) -> str:
        return self.with_port(DEFAULT_PORT).as_flag


DROP_IN = (
    "take the place of a service that is set up by variables such as MAX_CONTOURS: those that are not set have their "
    "usual values (docs/http.md lists them)"
)
ANYWHERE = Address(DEFAULT_HOST, None)
"""The address where none is named."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    parser.add_argument(
        "--listen",
        type=address,
        default=ANYWHERE,
        metavar="[HOST:]PORT",
        help=f"where it listens; port 0: any that is free (default: {ANYWHERE}, or the port that PORT names)",
    )
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="listen where other machines can reach it, though nobody is authenticated, and answer to any name",
    )
    parser.add_argument("--drop-in", action="store_true", help=DROP_IN)
    parser.add_argument(
        "--max-body", type=_body_bytes, default="64MiB", metavar="SIZE", help="bytes of a body (default: 64MiB)"
    )
    parser.add_argument(
        "--max-requests",
        type=_requests,
        default=256,
        metavar="N",
        help="requests under way at a time, beyond which clients are sent away for a second (default: 256)",
    )
    parser.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="what is written to stderr (default: info)",
    )
    # For `maskbus serve`: end when the standard input does, which is a pipe then.
    parser.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)


def _body_bytes(text: str) -> int:
    """Read how large a body may be."""
    size = quantities.nbytes(text)
    if not _LEAST_BODY <= size <= _MOST_BODY:
        least, most = quantities.amount(_LEAST_BODY), quantities.amount(_MOST_BODY)
        raise argparse.ArgumentTypeError(f"a size from {least} to {most} is wanted, not {text!r}")
    return size


def _requests(text: str) -> int:
    """Read how many requests may be under way; there are no more connections than that."""
    count = prompt_text.count(text)
    if count > _MOST_REQUESTS:
        raise argparse.ArgumentTypeError(f"at most {_MOST_REQUESTS} is wanted, not {text!r}")
    return count


def address(text: str) -> Address:
    """Read HOST:PORT, PORT, or HOST; an address of version 6 stands in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = ("", text) if text.isascii() and text.isdecimal() else (text, "")
    elif text.endswith("]"):
        host, port = text, ""
    host = {"": DEFAULT_HOST, "localhost": DEFAULT_HOST, "*": "0.0.0.0"}.get(host, host)
    try:
        found = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        raise argparse.ArgumentTypeError(f"HOST:PORT is wanted, HOST being an address, not {text!r}") from None
    if port and not (port.isascii() and port.isdecimal() and int(port) <= 65535):
        raise argparse.ArgumentTypeError(f"a port of 0 to 65535 is wanted, not {port!r}")
    return Address(str(found), int(port) if port else None)
