"""`maskbus child`: run a node for the program that started it, until that is gone."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from importlib.util import find_spec
from types import FrameType

from msgspec.structs import replace

from maskbus.adapters.child import SMALLEST, ChildFailed, ChildNode
from maskbus.adapters.events_windows import NoEvents
from maskbus.cli import flags
from maskbus.cli.failure import CommandFailed
from maskbus.config import Config, Effective
from maskbus.engine import catalogue

log = logging.getLogger(__name__)


class _Signals:
    """End the process before the child is there, and the child once it is; its second signal ends it at once."""

    def __init__(self) -> None:
        self.child: ChildNode | None = None
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is not None and (name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN):
                signal.signal(number, self._received)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self.child is None:
            raise SystemExit(128 + number)
        self.child.stop()


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
    for name in ("cv2", "psutil", "xxhash"):
        if find_spec(name) is None:  # found out now, and not by a worker or by the first request
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    signals = _Signals()
    output = _Output()
    effective = flags.load(arguments)
    config = _default_model(effective)
    logging.basicConfig(
        stream=sys.stderr,
        level=config.log_level.upper(),
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    for warning in effective.warnings:
        log.warning("%s", warning)
    if arguments.mapping < SMALLEST:
        raise CommandFailed(f"--mapping: a mapping has at least {SMALLEST} bytes, not {arguments.mapping}.")
    found = catalogue.read(config)
    for card in found.cards.values():
        if not card.ready:
            log.warning("The model %s cannot run: %s", card.name, card.missing)
    try:
        child = ChildNode(config, found, arguments.mapping, events=arguments.events)
        signals.child = child
        child.run(output.announce)
    except (ChildFailed, NoEvents) as error:
        raise CommandFailed(str(error)) from None
    log.info("Stopped.")
    return 0


def _default_model(effective: Effective) -> Config:
    """Return the configuration, with the first of the models that were named as the default, unless another one is."""
    config = effective.config
    if config.models and config.default_model not in config.models and effective.origin["default_model"] == "default":
        return replace(config, default_model=config.models[0])
    return config
