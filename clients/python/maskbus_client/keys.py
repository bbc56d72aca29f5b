"""CURVE keys: how a client knows its node, and the node its clients, on a network that is not theirs alone.

ZeroMQ RFC 26: every message is encrypted, the node is known by its public key, and clients by theirs where the node
keeps a list of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import zmq

SERVER_VARIABLE = "MASKBUS_SERVER_KEY"
"""Environment variable: the node's public key, 40 characters, or the file that holds it."""
CLIENT_VARIABLE = "MASKBUS_CLIENT_KEY"
"""Environment variable: the file that holds the client's own secret key."""

_Z85_LENGTH = 40


@dataclass(frozen=True)
class Keys:
    """The node's public key and the client's own pair, as Z85 text of 40 characters each."""

    server: str
    public: str
    secret: str = field(repr=False)

    @classmethod
    def load(cls, server: str | os.PathLike[str], client: str | os.PathLike[str] | None = None) -> Keys:
        """Read keys from the files that `maskbus keys` writes.

        Args:
            server: The node's public key: the file, or its 40 characters.
            client: The file with the client's secret key; None: a fresh pair, for a node that keeps no list of clients.

        Raises:
            ValueError: if a file holds no such key, or cannot be read.
        """
        text = os.fspath(server)
        if len(text) != _Z85_LENGTH or Path(text).is_file():
            text = _read(text)[0]
        if client is None:
            public, secret = zmq.curve_keypair()
            return cls(text, public.decode(), secret.decode())
        public_text, secret_text = _read(os.fspath(client))
        if not secret_text:
            raise ValueError(f"{os.fspath(client)} holds no secret key.")
        return cls(text, public_text, secret_text)


def resolve(keys: Keys | None) -> Keys | None:
    """Return the keys to use: those given, else the environment's, else None.

    Raises:
        ValueError: as `Keys.load`.
    """
    server = os.environ.get(SERVER_VARIABLE)
    if keys is not None or not server:
        return keys
    return Keys.load(server, os.environ.get(CLIENT_VARIABLE) or None)


def new_context(keys: Keys | None) -> zmq.Context[zmq.Socket[bytes]]:
    """Return a context whose sockets use the keys.

    Raises:
        ValueError: if they are no keys.
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    if keys is not None:
        # A probe: a key that is none is found out here, and not when the first call opens a socket.
        probe = context.socket(zmq.DEALER)
        try:
            for owner in (probe, context):
                owner.setsockopt(zmq.CURVE_SERVERKEY, keys.server.encode())
                owner.setsockopt(zmq.CURVE_PUBLICKEY, keys.public.encode())
                owner.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())
        except zmq.ZMQError:
            probe.close()
            context.term()
            raise ValueError("A CURVE key is 40 characters of Z85 text; one of those given is not.") from None
        probe.close()
    return context


def _read(path: str) -> tuple[str, str]:
    from zmq.auth import load_certificate

    try:
        public, secret = load_certificate(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} holds no CURVE key: {error}") from None
    return public.decode(), (secret or b"").decode()
