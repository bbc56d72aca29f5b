"""What `serve` and `child` do alike: end on signals, see that all is installed, and write a log."""

from __future__ import annotations

import logging
import signal
import sys
from importlib.util import find_spec
from types import FrameType
from typing import Protocol

from maskbus.config import Config, Effective
from maskbus.engine import catalogue
from maskbus.engine.catalogue import Catalogue

log = logging.getLogger(__name__)


class Stoppable(Protocol):
    """What runs until it is told to stop."""

    def stop(self) -> None:
        """End it soon; a second call ends it at once."""


class Signals:
    """End the process before there is something to stop, and then that; its second signal ends it at once."""

    def __init__(self) -> None:
        self.running: Stoppable | None = None
        # SIGHUP is a terminal that goes away; SIGBREAK is what a Windows console sends where others send SIGTERM.
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            # A shell has SIGINT ignored for what it starts in the background, where it may be sent on purpose;
            # SIGHUP is ignored because someone wrote nohup.
            if number is not None and (name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN):
                signal.signal(number, self._received)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self.running is None:
            raise SystemExit(128 + number)
        self.running.stop()


def require_installed() -> None:
    """Raise ModuleNotFoundError now for what a worker, or the first request, would miss."""
    for name in ("cv2", "psutil", "xxhash"):
        if find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def begin(effective: Effective, config: Config) -> Catalogue:
    """Write a log to standard error from here on; return the models, having told of those that cannot run."""
    logging.basicConfig(
        stream=sys.stderr,
        level=config.log_level.upper(),
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    for warning in effective.warnings:
        log.warning("%s", warning)
    found = catalogue.read(config)
    named = {*config.models, *config.model, config.default_model, *(config.preload or ())}
    for card in found.cards.values():
        if not card.ready and card.name in named:
            log.warning("The model %s cannot run: %s", card.name, card.missing)
    others = [card.name for card in found.cards.values() if not card.ready and card.name not in named]
    if others:
        log.info("Installed, but without what they need (`maskbus doctor` says what): %s", ", ".join(others))
    return found
