"""Where the node is: the endpoint for requests, and the one for topics that goes with it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from maskbus_client.errors import NodeUnreachable

DEFAULT = "tcp://127.0.0.1:7710"
"""Where a node listens when nobody says otherwise."""
VARIABLE = "MASKBUS_ENDPOINT"
"""Environment variable that says otherwise."""

_SCHEMES = ("tcp", "ipc", "inproc")
_WILDCARDS = frozenset({"*", "0.0.0.0", "[::]", "::"})


def resolve(endpoint: str | None) -> str:
    """Return the endpoint to use: the one given, else the environment's, else the default.

    Raises:
        ValueError: if it is not `tcp://host:port`, `ipc://path` or `inproc://name`.
    """
    chosen = endpoint or os.environ.get(VARIABLE) or DEFAULT
    scheme, separator, address = chosen.partition("://")
    sound = bool(separator and address and scheme in _SCHEMES)
    if sound and scheme == "tcp":
        host, colon, port = address.rpartition(":")
        sound = bool(host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65536)
    if not sound:
        raise ValueError(f"An endpoint is tcp://host:port, ipc://path or inproc://name, not {chosen!r}.")
    return chosen


def choose_publish(request: str, announced: Sequence[str]) -> str:
    """Return where to subscribe, of the endpoints that the node at `request` announces.

    It is one of the same scheme. A tcp host that is a wildcard becomes the host the requests go to, and where several
    are announced, that host's own goes first.

    Raises:
        NodeUnreachable: if the node announces none of this scheme.
    """
    scheme, _, address = request.partition("://")
    same = [endpoint for endpoint in announced if endpoint.startswith(f"{scheme}://")]
    if scheme == "tcp":
        host = address.rpartition(":")[0]
        reachable = [_with_host(endpoint, host) for endpoint in same]
        same = sorted(reachable, key=lambda endpoint: not endpoint.startswith(f"tcp://{host}:"))
    if not same:
        listed = ", ".join(announced) or "none"
        raise NodeUnreachable(
            f"The node at {request} announces no {scheme} endpoint for topics (it announces: {listed})."
        )
    return same[0]


def _with_host(endpoint: str, host: str) -> str:
    announced, _, port = endpoint.partition("://")[2].rpartition(":")
    return f"tcp://{host}:{port}" if announced in _WILDCARDS else endpoint
