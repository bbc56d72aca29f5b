"""`maskbus child`: run a node for the program that started it, until that is gone."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from maskbus.adapters.child import SMALLEST, ChildFailed, ChildNode
from maskbus.adapters.events_windows import NoEvents
from maskbus.cli import flags
from maskbus.cli.failure import CommandFailed
from maskbus.cli.long_running import Signals, begin, require_installed

log = logging.getLogger(__name__)


class _Output:
    """The standard output, for the ready line alone: whatever else is printed goes where the log goes.

    It stays open until the process ends, so that its end tells the parent of the child's.
    """

    def __init__(self) -> None:
        sys.stdout.flush()
        self._descriptor = os.dup(1)
        os.dup2(2, 1)

    def announce(self, line: str) -> None:
        os.write(self._descriptor, line.encode() + b"\n")


def run(arguments: argparse.Namespace) -> int:
    """Serve the parent; return 0 once it is gone."""
    require_installed()
    signals = Signals()
    output = _Output()
    effective = flags.load(arguments)
    config = effective.config
    if arguments.mapping < SMALLEST:
        raise CommandFailed(f"--mapping: a mapping has at least {SMALLEST} bytes, not {arguments.mapping}.")
    found = begin(effective, config)
    try:
        child = ChildNode(config, found, arguments.mapping, events=arguments.events)
        signals.running = child
        child.run(output.announce)
    except (ChildFailed, NoEvents) as error:
        raise CommandFailed(str(error)) from None
    log.info("Stopped.")
    return 0
