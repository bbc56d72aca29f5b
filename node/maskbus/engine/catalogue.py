"""Which models this node offers, and what is to be said of each."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskbus import directories
from maskbus.config import Config, ConfigError, ModelConfig
from maskbus.handlers import registry
from maskbus.handlers.probe import describe
from maskbus.interfaces import Handler, LoadContext

log = logging.getLogger(__name__)

_PATIENCE = 30.0
"""Seconds that all plugins may take together to be imported and described."""


@dataclass(frozen=True)
class Card:
    """What is known of one model without loading it."""

    name: str
    target: str
    """ "package.module:Class" of its handler."""
    title: str
    prompts: frozenset[str]
    licence: str
    weights: str
    ready: bool
    missing: str
    multimask: bool
    has_logits: bool
    cache_embeddings: bool = True
    cache_results: bool = True
    tracks: bool = False
    offered: bool = True
    homepage: str = ""
    devices: tuple[str, ...] = ("cpu",)
    threads: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    """Name and version of the distribution that its handler is from, where that is known."""

    @property
    def finds_everything(self) -> bool:
        """Whether it can be asked for everything: with a grid of points."""
        return "points" in self.prompts


@dataclass(frozen=True)
class Catalogue:
    """The models of a node, by name; and those that are installed but broken, with the reason."""

    cards: Mapping[str, Card]
    broken: Mapping[str, str] = field(default_factory=dict)


def read(config: Config, *, everything: bool = False) -> Catalogue:
    """Return what is installed and wanted.

    Args:
        config: The node's configuration.
        everything: Also what is not offered by default.

    Raises:
        ConfigError: if a model the configuration names is not installed.
    """
    targets = _targets(config)
    requests = [_request(name, target, config) for name, target in targets.items()]
    cards: dict[str, Card] = {}
    broken: dict[str, str] = {}
    for request, answer in zip(requests, _probe(requests), strict=True):
        name = request["name"]
        if "error" in answer:
            broken[name] = answer["error"]
            log.warning("The handler %s (%s) is broken and is left out: %s", name, request["target"], answer["error"])
            continue
        card = _card(request, answer["card"], config)
        if everything or card.offered or name in config.models or name in config.model:
            cards[name] = card
    return Catalogue(cards, broken)


def of(handlers: Mapping[str, type[Handler]], config: Config) -> Catalogue:
    """Return the catalogue of handler classes that are at hand, imported and trusted; nothing is probed."""
    cards: dict[str, Card] = {}
    for name, handler in handlers.items():
        request = _request(name, name, config)
        context = LoadContext(
            name, request["device"], request["threads"], Path(request["weights_dir"]), request["options"]
        )
        cards[name] = _card(request, describe(handler, context), config)
    return Catalogue(cards)


def _card(request: Mapping[str, Any], plain: Mapping[str, Any], config: Config) -> Card:
    return Card(
        name=request["name"],
        target=request["target"],
        devices=tuple(config.model.get(request["name"], ModelConfig()).devices),
        threads=request["threads"],
        options=request["options"],
        version=registry.version(request["target"]),
        **{**plain, "prompts": frozenset(plain["prompts"])},
    )


def _targets(config: Config) -> dict[str, str]:
    installed = registry.installed()
    targets = dict(installed)
    for name, model in config.model.items():
        if model.handler:
            targets[name] = model.handler if ":" in model.handler else installed.get(model.handler, "")
            if not targets[name]:
                raise ConfigError(f"model.{name}.handler: no handler {model.handler!r} is installed.")
        elif name not in installed:
            raise ConfigError(f"model.{name}: no handler of this name is installed; name one with handler = …")
    for name in config.models:
        if name not in targets:
            raise ConfigError(f"models: {name!r} is not installed; there are {', '.join(sorted(targets))}.")
    if config.models:
        return {name: target for name, target in targets.items() if name in config.models}
    return targets


def _request(name: str, target: str, config: Config) -> dict[str, Any]:
    model = config.model.get(name, ModelConfig())
    return {
        "name": name,
        "target": target,
        "device": model.devices[0] if model.devices else "cpu",
        "threads": config.threads if model.threads is None else model.threads,
        "options": dict(model.options),
        "weights_dir": str(directories.weights(config.weights_dir)),
    }


def _probe(requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Have all handlers described, in as few processes as their manners allow."""
    answers: list[dict[str, Any]] = []
    while len(answers) < len(requests):
        got, reason = _probe_once(requests[len(answers) :])
        answers += got
        if len(answers) < len(requests):
            answers.append({"error": reason})
    return answers


def _probe_once(requests: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    answers: list[dict[str, Any]] = []
    process = subprocess.Popen(
        [sys.executable, "-m", "maskbus.handlers.probe"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C in a terminal is for the node alone
        env=os.environ | {"PYTHONSAFEPATH": "1"},  # what lies in the current directory is no module of ours
    )
    assert process.stdin is not None
    assert process.stdout is not None
    patience = threading.Timer(_PATIENCE, process.kill)
    patience.start()
    try:
        with contextlib.suppress(OSError), process.stdin as questions:  # it has ended: EPIPE, on Windows EINVAL
            questions.write("".join(json.dumps(request) + "\n" for request in requests).encode())
        answers = [json.loads(line) for line in process.stdout]
    finally:
        slow = not patience.is_alive()
        patience.cancel()
        process.stdout.close()
        process.kill()
        process.wait()
    return (
        answers,
        f"It took more than {_PATIENCE:.0f} s to import." if slow else "It ended the process that imported it.",
    )
