"""`maskbus keys`: make CURVE keys for a node or a client."""

from __future__ import annotations

import argparse
from pathlib import Path

from maskbus.cli.failure import CommandFailed


def run(arguments: argparse.Namespace) -> int:
    """Write a pair of key files, the secret one for this user alone."""
    from zmq.auth import create_certificates, load_certificate

    directory = Path(arguments.directory)
    name = arguments.name
    if not name or Path(name).name != name:
        raise CommandFailed(f"--name: {name!r} cannot be a file's name.")
    secret = directory / f"{name}.key_secret"
    if secret.exists():
        raise CommandFailed(f"{secret} is there already; name another, or remove it if nobody needs it any more.")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret.touch(mode=0o600)  # before the key is in it
    public_path, secret_path = create_certificates(directory, name, {"made by": "maskbus"})
    public, _ = load_certificate(public_path)
    print(f"secret, for the one it names: {secret_path}")
    print(f"public, for everybody else:   {public_path}")
    print(f"public key:                   {public.decode()}")
    return 0
