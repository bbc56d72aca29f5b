"""Where the gateway of `maskbus serve --http` listens."""

import os

import pytest

from maskbus.cli.http_flags import DEFAULT_PORT, address
from maskbus.cli.http_gateway import Gateway

pytest.importorskip("starlette")


def test_the_environments_port_counts_where_none_is_named():
    variables = {key: value for key, value in os.environ.items() if not key.startswith("MASKBUS_")}
    gateway = Gateway(address("127.0.0.1"), "tcp://127.0.0.1:1", environment=variables | {"PORT": "0"})
    try:
        host, _, port = gateway.line.url.rpartition(":")
        assert host == "http://127.0.0.1"
        assert int(port) not in (0, DEFAULT_PORT)
    finally:
        gateway.close()
