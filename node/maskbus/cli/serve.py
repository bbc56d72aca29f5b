"""`maskbus serve`: run a node until it is told to stop."""

from __future__ import annotations

import argparse
import logging

from maskbus import __version__
from maskbus.cli import flags, models_command
from maskbus.cli.failure import CommandFailed
from maskbus.cli.long_running import Signals, begin, require_installed
from maskbus.cli.ready_line import ReadyLine
from maskbus.config import Config
from maskbus.node import Bus, CannotBind

log = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Serve; return 0 after a clean stop."""
    require_installed()
    signals = Signals()
    effective = flags.load(arguments)
    config = effective.config
    if arguments.pull:
        models_command.pull_missing(config)
    found = begin(effective, config)
    if config.default_model not in found.cards:
        log.warning("The default model %s is not offered: requests must name a model.", config.default_model)
    try:
        bus = Bus(config, found)
    except CannotBind as error:
        raise CommandFailed(f"{error} {_way_out(str(error), config)}") from None
    signals.running = bus
    bus.wake_on_signals()
    ready = [card.name for card in found.cards.values() if card.ready]
    print(ReadyLine(__version__, bus.endpoints, bus.publish_endpoints, ready), flush=True)
    bus.run()
    log.info("Stopped.")
    return 0


def _way_out(problem: str, config: Config) -> str:
    is_topics = any(endpoint in problem for endpoint in config.publish)
    flag = "--publish" if is_topics else "--bind"
    if "listening there" not in problem:
        return f"Name another endpoint: {flag} tcp://127.0.0.1:PORT"
    return f"If it is a node, use it (`maskbus ping`); else choose another port: {flag} tcp://127.0.0.1:PORT"
