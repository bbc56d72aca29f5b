"""What recordings need besides a node."""

from __future__ import annotations

from importlib.util import find_spec

from maskbus.cli.failure import CommandFailed


def require() -> None:
    """Raise CommandFailed if the packages that read and write MCAP are not installed."""
    for name in ("mcap", "mcap_protobuf", "foxglove_schemas_protobuf"):
        if find_spec(name) is None:
            raise CommandFailed(f"{name} is not installed: pip install 'maskbus[record]'")
