"""CURVE on the node's sockets: encryption, the node's identity, and a list of clients where one is wanted."""

from __future__ import annotations

import contextlib
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path

import zmq
from zmq.auth import CURVE_ALLOW_ANY, load_certificate
from zmq.auth.thread import ThreadAuthenticator

from maskbus.config import ConfigError


@dataclass(frozen=True)
class NodeKeys:
    """The node's key pair."""

    public: bytes
    secret: bytes = field(repr=False)

    def secure(self, made: zmq.Socket[bytes]) -> None:
        """Have a socket accept encrypted connections only."""
        made.setsockopt(zmq.CURVE_SERVER, 1)
        made.setsockopt(zmq.CURVE_PUBLICKEY, self.public)
        made.setsockopt(zmq.CURVE_SECRETKEY, self.secret)


def open_keys(
    context: zmq.Context[zmq.Socket[bytes]], stack: contextlib.ExitStack, secret_key_file: str, client_keys_dir: str
) -> NodeKeys | None:
    """Read the node's keys, and start checking clients against the list; None where no keys are configured.

    Raises:
        ConfigError: if the file is no key, is open to others, or the directory is none.
    """
    if not secret_key_file:
        return None
    path = Path(secret_key_file).expanduser()
    try:
        public, secret = load_certificate(path)
        if sys.platform != "win32" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigError(f"secret_key_file: {path} can be read by others; run: chmod 600 {path}")
    except (OSError, ValueError) as error:
        raise ConfigError(f"secret_key_file: {path} holds no CURVE key: {error}") from None
    if not secret:
        raise ConfigError(f"secret_key_file: {path} holds no secret key; name the .key_secret file.")
    # Without a list any client is let in; the authenticator says so to ZeroMQ, which else would let in nobody.
    location = CURVE_ALLOW_ANY
    if client_keys_dir:
        directory = Path(client_keys_dir).expanduser()
        if not directory.is_dir():
            raise ConfigError(f"client_keys_dir: {directory} is not a directory.")
        location = str(directory)
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    stack.callback(authenticator.stop)
    authenticator.configure_curve(domain="*", location=location)
    return NodeKeys(public, secret)
