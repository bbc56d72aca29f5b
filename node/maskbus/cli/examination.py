"""What `maskbus doctor` looks at: each look is a finding, good, bad or neither."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from maskbus import __version__, config, directories
from maskbus.cli.quantities import amount, duration
from maskbus.config import MIB, Config, ConfigError
from maskbus.directories import UnsafeDirectory
from maskbus.weights import ENTRIES
from maskbus.weights.check import state
from maskbus.weights.place import Place

_NEEDED = {
    "pyzmq": "pyzmq",
    "msgpack": "msgpack",
    "msgspec": "msgspec",
    "numpy": "numpy",
    "pillow": "pillow",
    "psutil": "maskbus[node]",
    "rich": "maskbus[node]",
    "xxhash": "maskbus[node]",
}
"""Distribution → what to install for it."""
_OPENCV = ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python")
_OPTIONAL = (
    *("torch", "transformers", "safetensors", "onnxruntime", "openvino", "open-clip-torch", "scikit-image"),
    *("starlette", "uvicorn", "python-multipart", "prometheus-client", "redis"),
)
_LITTLE = 256 * MIB
"""Less free shared memory than this is worth a word: a 12-megapixel picture takes 36 MB."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    section: str
    name: str
    state: Literal["ok", "wrong", "note"]
    words: str
    needed: bool = False
    """Whether the default model cannot run without it."""

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def examine(file: str | None) -> list[Finding]:
    """Look at everything, and let nothing that is wrong hide the rest."""
    # What is broken is among the findings; it need not be in a log as well.
    logging.getLogger("maskbus").addHandler(logging.NullHandler())
    found = list(_installed())
    try:
        effective = config.load(file=file)
    except ConfigError as error:
        found.append(Finding("configuration", "settings", "wrong", str(error), needed=True))
        wanted = Config()
    else:
        changed = sum(origin != "default" for origin in effective.origin.values())
        words = (
            f"sound; {changed} not at their default (`maskbus config` shows them)"
            if changed
            else "all at their default"
        )
        found.append(Finding("configuration", "settings", "ok", words))
        found += [Finding("configuration", "warning", "note", words) for words in effective.warnings]
        wanted = effective.config
    found += _redis(wanted)
    found += _models(wanted)
    found += _directories(wanted)
    found += _node(wanted)
    return found


def _redis(wanted: Config) -> Iterator[Finding]:
    """Tell whether a node can ask its redis. It does without one that is down, but not without one that cannot be."""
    if wanted.cache != "redis":
        return
    from maskbus.results import StoreError
    from maskbus.results.redis_line import CannotAsk, RedisLine

    section, name = "configuration", "redis_url"
    try:
        line = RedisLine(wanted.redis_url)
    except StoreError as error:
        yield Finding(section, name, "wrong", str(error), needed=True)
        return
    try:
        line.probe()
    except CannotAsk as error:
        yield Finding(section, name, "note", f"{line.name} cannot be asked now: {error}")
    else:
        yield Finding(section, name, "ok", f"{line.name} answers")
    finally:
        line.close()


def _installed() -> Iterator[Finding]:
    section = "installed"
    yield Finding(section, "python", "ok", f"{platform.python_version()} at {sys.executable}")
    yield Finding(section, "maskbus", "ok", __version__)
    for name, wanted in _NEEDED.items():
        version = _version(name)
        if version is None:
            yield Finding(section, name, "wrong", f"missing: pip install '{wanted}'", needed=True)
        else:
            yield Finding(section, name, "ok", f"{version}{_libzmq() if name == 'pyzmq' else ''}")
    opencv = [(name, version) for name in _OPENCV if (version := _version(name))]
    if opencv:
        yield Finding(section, "opencv", "ok", ", ".join(f"{version} ({name})" for name, version in opencv))
    else:
        yield Finding(section, "opencv", "wrong", "missing: pip install 'maskbus[node]'", needed=True)
    for name in _OPTIONAL:
        # By its metadata: importing torch takes seconds, and may fail in ways of its own.
        version = _version(name)
        yield Finding(section, name, "ok" if version else "note", version or "not installed (optional)")


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _libzmq() -> str:
    try:
        import zmq
    except ImportError as error:
        return f", but it cannot be imported: {error}"
    return f", libzmq {zmq.zmq_version()}{'' if zmq.has('ipc') else ', without ipc'}"


def _models(wanted: Config) -> Iterator[Finding]:
    section = "models"
    try:
        from maskbus.engine import catalogue

        found = catalogue.read(wanted, everything=True)
    except (ConfigError, ImportError) as error:
        yield Finding(section, "settings", "wrong", str(error), needed=True)
        return
    default = wanted.default_model
    for card in found.cards.values():
        notes = [
            words for words, is_so in (("default", card.name == default), ("not offered", not card.offered)) if is_so
        ]
        name = f"{card.name} ({', '.join(notes)})" if notes else card.name
        if card.ready:
            words = f"can run on {', '.join(card.devices)}; weights: {card.weights}; {_licence(card.licence)}"
            yield Finding(section, name, "ok", words)
        else:
            state: Literal["wrong", "note"] = "wrong" if card.name == default else "note"
            words = f"cannot run: {card.missing}; {_licence(card.licence)}"
            yield Finding(section, name, state, words, needed=card.name == default)
    for name, reason in found.broken.items():
        yield Finding(section, name, "wrong", f"broken: {reason}", needed=name == default)
    if default not in found.cards and default not in found.broken:
        yield Finding(
            section, default, "wrong", "the default model is not installed, or not among `models`", needed=True
        )


def _licence(licence: str) -> str:
    """Name a licence, and say of one that reaches the programs around it that it does."""
    return f"licence: {licence}{' (copyleft)' if 'GPL' in licence else ''}"


def _directories(wanted: Config) -> Iterator[Finding]:
    section = "directories"
    try:
        path = directories.shared_memory()
        free = shutil.disk_usage(path).free
    except (OSError, UnsafeDirectory) as error:
        yield Finding(section, "shared memory", "wrong", str(error), needed=True)
    else:
        words = f"{path}, {amount(free)} free"
        little = free < _LITTLE
        if little:
            words += "; that is little: large pictures may be answered `busy` (in a container, give --shm-size 1g)"
        yield Finding(section, "shared memory", "note" if little else "ok", words)
    yield _runtime(wanted)
    path = directories.weights(wanted.weights_dir)
    yield Finding(section, "weights", "note", f"{path}{_weights(path) if path.is_dir() else ' (not there yet)'}")


def _weights(path: Path) -> str:
    states = {name: state(Place(entry, path)) for name, entry in ENTRIES.items()}
    held = [f"{name} ({found.words()})" for name, found in states.items() if found.name != "missing"]
    return f": {', '.join(held) or 'empty'} (`maskbus models list` shows all)"


def _runtime(wanted: Config) -> Finding:
    section, name = "directories", "ipc sockets"
    if not wanted.ipc:
        return Finding(section, name, "note", "switched off (ipc = false)")
    try:
        import zmq
    except ImportError:
        return Finding(section, name, "wrong", "cannot be looked at without pyzmq")
    if not zmq.has("ipc"):
        return Finding(section, name, "note", "not available here; tcp does the same")
    try:
        path = directories.runtime(wanted.runtime_dir)
    except (OSError, UnsafeDirectory) as error:
        return Finding(section, name, "wrong", f"{error} (or switch them off: --no-ipc)", needed=True)
    if len(os.fsencode(path / "65535.requests")) > 100:
        return Finding(section, name, "note", f"the path {path} is too long for them; name another with --runtime-dir")
    return Finding(section, name, "ok", str(path))


def _node(wanted: Config) -> Iterator[Finding]:
    try:
        from maskbus.cli import connection
        from maskbus_client import endpoints

        endpoint = endpoints.resolve(None)
    except (ImportError, ValueError) as error:
        yield Finding("node", "endpoint", "wrong", str(error))
        return
    pong = connection.look(endpoint)
    if pong is None:
        yield Finding("node", endpoint, "note", "no node runs here; `maskbus serve` starts one")
    else:
        up = duration(pong.uptime_s)
        yield Finding("node", endpoint, "ok", f"node {pong.node} runs, maskbus {pong.version}, up {up}")
