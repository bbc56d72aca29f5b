"""The command line: `maskbus`."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 for a failure that was explained, 2 for wrong usage."""
    # Not at the top: importing the package must stay cheap for whoever wants one of its modules only.
    from maskbus.cli.entry import run

    return run(arguments)
