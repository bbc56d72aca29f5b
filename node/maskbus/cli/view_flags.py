"""The flags of `maskbus view`."""

from __future__ import annotations

import argparse

DEFAULT_PORT = 7712


def add(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    parser.add_argument(
        "--port",
        type=port,
        default=DEFAULT_PORT,
        metavar="PORT",
        help=f"where the page is served; 0: any port that is free (default: {DEFAULT_PORT})",
    )
    parser.add_argument(
        "--prefix", default="", metavar="TEXT", help="only streams whose names begin with it (default: all)"
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")


def port(text: str) -> int:
    """Read a port, 0 to 65535."""
    if not (text.isascii() and text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"a port of 0 to 65535 is wanted, not {text!r}")
    return int(text)
