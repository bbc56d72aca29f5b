"""The node a command talks to."""

from __future__ import annotations

import os
import socket

import zmq

from maskbus.cli.failure import CommandFailed
from maskbus_client import endpoints
from maskbus_client.errors import MaskbusError
from maskbus_client.sync import Client
from maskbus_wire.replies import Pong

_GLANCE = 0.3
"""Seconds for a node on this machine to accept a connection."""
_PATIENCE = 2.0
"""Seconds for it to say that it is one."""


def open_client(endpoint: str | None, *, connect_timeout: float = 3.0, retries: int = 2) -> Client:
    """Return a client of the node at `endpoint`; None: the environment's, else the default.

    Raises:
        CommandFailed: if it is not an endpoint.
    """
    try:
        return Client(endpoint, connect_timeout=connect_timeout, retries=retries)
    except ValueError as error:
        where = "--endpoint" if endpoint else endpoints.VARIABLE
        raise CommandFailed(f"{where}: {error}") from None
    except zmq.ZMQError as error:
        raise CommandFailed(f"{endpoint}: {error}.") from None


def is_named(endpoint: str | None) -> bool:
    """Tell whether the user said which node is meant, as a flag or in the environment."""
    return bool(endpoint or os.environ.get(endpoints.VARIABLE))


def look(endpoint: str) -> Pong | None:
    """Return the answer of a node at `endpoint`, None if there is none; quick where nothing listens at all."""
    if endpoint.startswith("tcp://"):
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _GLANCE).close()
        except OSError:
            return None
    try:
        with Client(endpoint, connect_timeout=_PATIENCE, retries=0) as client:
            return client.ping(deadline=_PATIENCE)
    except MaskbusError:
        return None
