"""A node for one call: the one that is named, the one that runs, or one that is started for it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from maskbus import config
from maskbus.cli import connection, own_node
from maskbus.cli.parser import DEFAULT_ENDPOINT
from maskbus_client.sync import Client


@contextlib.contextmanager
def client(endpoint: str | None, model: str) -> Iterator[tuple[Client, str, bool]]:
    """Yield a client, its endpoint, and whether the node was started for it.

    Args:
        endpoint: The node that is meant; None: the environment's, else whichever runs at the default endpoint.
        model: The one model that a node started here offers; empty, or the name of a route: all of them.
    """
    if connection.is_named(endpoint) or connection.look(DEFAULT_ENDPOINT) is not None:
        with connection.open_client(endpoint) as found:
            yield found, found.endpoint, False
        return
    print(f"maskbus: no node runs at {DEFAULT_ENDPOINT}; starting one for this call.", file=sys.stderr)
    with own_node.running("" if _is_route(model) else model) as ready, Client(ready.endpoints[0]) as found:
        yield found, found.endpoint, True


def _is_route(model: str) -> bool:
    routes = config.load().config.route
    return model in {"auto", *routes}
