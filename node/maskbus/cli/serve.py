"""`maskbus serve`: run a node until it is told to stop."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
from collections.abc import Iterator, Sequence

from maskbus import __version__, environment_aliases
from maskbus import config as configuration
from maskbus.cli import flags, http_command, http_gateway, models_command
from maskbus.cli.failure import CommandFailed
from maskbus.cli.http_gateway import Gateway
from maskbus.cli.long_running import Signals, begin, require_installed
from maskbus.cli.ready_line import ReadyLine
from maskbus.config import Config, Effective
from maskbus.node import Bus, CannotBind

log = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Serve; return 0 after a clean stop."""
    require_installed()
    signals = Signals()
    effective, taken = _load(arguments)
    config = effective.config
    if arguments.http:
        http_command.require_installed()
        http_command.check_local(arguments.http, config.allow_remote)
    if arguments.pull:
        models_command.pull_missing(config)
    found = begin(effective, config)
    for sentence in taken:
        log.info("%s", sentence)
    if config.default_model not in {*found.cards, *config.routes}:
        log.warning("The default model %s is not offered: requests must name a model.", config.default_model)
    try:
        bus = Bus(config, found)
    except CannotBind as error:
        raise CommandFailed(f"{error} {_way_out(str(error), config)}") from None
    signals.running = bus
    bus.wake_on_signals()
    ready = [card.name for card in found.cards.values() if card.ready]
    with _http(arguments, bus, config) as lines:
        print(ReadyLine(__version__, bus.endpoints, bus.publish_endpoints, ready), *lines, sep="\n", flush=True)
        bus.run()
    log.info("Stopped.")
    return 0


def _load(arguments: argparse.Namespace) -> tuple[Effective, Sequence[str]]:
    """Return the configuration, and what there is to say of variables that only mean something with --http."""
    effective = flags.load(arguments)
    if not arguments.http:
        if arguments.drop_in:
            raise CommandFailed("--drop-in is about HTTP: give --http as well.")
        return effective, ()
    found = environment_aliases.of_node(
        environment_aliases.completed(os.environ) if arguments.drop_in else os.environ,
        offered=effective.config.models,
        default_model=effective.config.default_model,
    )
    given = flags.given(arguments)
    return configuration.load(file=arguments.config, flags=given, aliases=found.values), found.taken


@contextlib.contextmanager
def _http(arguments: argparse.Namespace, bus: Bus, config: Config) -> Iterator[list[object]]:
    """Run the gateway beside the node, where one is wanted; yield the lines that say where it is."""
    if not arguments.http:
        yield []
        return
    also = [
        flag for flag, given in (("--allow-remote", config.allow_remote), ("--drop-in", arguments.drop_in)) if given
    ]
    try:
        gateway = Gateway(
            arguments.http,
            http_gateway.way_to(bus.endpoints),
            flags=["--log-level", config.log_level, *also],
            environment=http_gateway.environment(os.environ, config),
        )
    except BaseException:
        bus.close()
        raise
    try:
        yield [gateway.line]
    finally:
        gateway.close()


def _way_out(problem: str, config: Config) -> str:
    is_topics = any(endpoint in problem for endpoint in config.publish)
    flag = "--publish" if is_topics else "--bind"
    if "listening there" not in problem:
        return f"Name another endpoint: {flag} tcp://127.0.0.1:PORT"
    return f"If it is a node, use it (`maskbus ping`); else choose another port: {flag} tcp://127.0.0.1:PORT"
