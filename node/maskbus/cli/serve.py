"""`maskbus serve`: run a node until it is told to stop."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from importlib.util import find_spec
from types import FrameType

from maskbus import __version__
from maskbus.cli import flags
from maskbus.cli.failure import CommandFailed
from maskbus.cli.ready_line import ReadyLine
from maskbus.config import Config
from maskbus.engine import catalogue
from maskbus.engine.catalogue import Catalogue
from maskbus.node import Bus, CannotBind

log = logging.getLogger(__name__)


class _Signals:
    """End the process before the bus is there, and the bus once it is; its second signal ends it at once."""

    def __init__(self) -> None:
        self.bus: Bus | None = None
        # SIGHUP is a terminal that goes away; SIGBREAK is what a Windows console sends where others send SIGTERM.
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            # A shell has SIGINT ignored for what it starts in the background, where it may be sent on purpose;
            # SIGHUP is ignored because someone wrote nohup.
            if number is not None and (name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN):
                signal.signal(number, self._received)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self.bus is None:
            raise SystemExit(128 + number)
        self.bus.stop()


def run(arguments: argparse.Namespace) -> int:
    """Serve; return 0 after a clean stop."""
    for name in ("cv2", "psutil", "xxhash"):
        if find_spec(name) is None:  # found out now, and not by a worker or by the first request
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    signals = _Signals()
    effective = flags.load(arguments)
    config = effective.config
    logging.basicConfig(
        stream=sys.stderr,
        level=config.log_level.upper(),
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    for warning in effective.warnings:
        log.warning("%s", warning)
    found = catalogue.read(config)
    _warn(config, found)
    try:
        bus = Bus(config, found)
    except CannotBind as error:
        raise CommandFailed(f"{error} {_way_out(str(error), config)}") from None
    signals.bus = bus
    bus.wake_on_signals()
    ready = [card.name for card in found.cards.values() if card.ready]
    print(ReadyLine(__version__, bus.endpoints, bus.publish_endpoints, ready), flush=True)
    bus.run()
    log.info("Stopped.")
    return 0


def _warn(config: Config, found: Catalogue) -> None:
    for card in found.cards.values():
        if not card.ready:
            log.warning("The model %s cannot run: %s", card.name, card.missing)
    if config.default_model not in found.cards:
        log.warning("The default model %s is not offered: requests must name a model.", config.default_model)


def _way_out(problem: str, config: Config) -> str:
    is_topics = any(endpoint in problem for endpoint in config.publish)
    flag = "--publish" if is_topics else "--bind"
    if "listening there" not in problem:
        return f"Name another endpoint: {flag} tcp://127.0.0.1:PORT"
    return f"If it is a node, use it (`maskbus ping`); else choose another port: {flag} tcp://127.0.0.1:PORT"
