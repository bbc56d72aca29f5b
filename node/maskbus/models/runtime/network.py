"""A network, with what must be known of it to export it and to find its export again."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from torch import Tensor, nn

import maskbus
from maskbus.models.runtime import export

_VERSIONS = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime", "openvino")


@dataclass(frozen=True)
class Network:
    """A module on the CPU in float32, ready to be called, and what it is called with."""

    module: nn.Module
    examples: tuple[Tensor, ...]
    name: str
    digest: str
    input_names: Sequence[str]
    output_names: Sequence[str]
    dynamic: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", self.name):
            raise ValueError(f"{self.name!r} is no name for files.")
        if len(self.input_names) != len(self.examples):
            raise ValueError(f"{self.name} has {len(self.input_names)} names for {len(self.examples)} inputs.")
        if unknown := set(self.dynamic) - set(self.input_names):
            raise ValueError(f"{self.name} has no input {', '.join(sorted(unknown))}.")

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What an export depends on; two networks with the same facts have the same export."""
        parts = {type(part) for part in self.module.modules()}
        sources = {file for part in parts if (file := _source(part))} | set(Path(__file__).parents[1].rglob("*.py"))
        state = [(name, list(value.shape), str(value.dtype)) for name, value in self.module.state_dict().items()]
        return {
            "weights": self.digest,
            "maskbus": maskbus.__version__,
            "versions": {package: _version(package) for package in _VERSIONS},
            "exporter": export.OPTIONS,
            "sources": _hashed("".join(sorted(map(_digest, sources)))),
            "module": _hashed(f"{self.module!r}{state}"),
            "inputs": [[name, list(given.shape), str(given.dtype)] for name, given in self._inputs()],
            "outputs": list(self.output_names),
            "dynamic": {name: {str(axis): size for axis, size in axes.items()} for name, axes in self.dynamic.items()},
        }

    @cached_property
    def key(self) -> str:
        """16 hex digits that stand for the facts."""
        return _hashed(json.dumps(self.facts, sort_keys=True))[:16]

    def export(self, directory: Path) -> None:
        """Write the network as ONNX into a directory."""
        export.export(self.module, self.examples, directory, self.input_names, self.output_names, self.dynamic)

    def _inputs(self) -> list[tuple[str, Tensor]]:
        return list(zip(self.input_names, self.examples, strict=True))


def _source(part: type) -> Path | None:
    """Return the file of a class; None for torch's own, which its version tells apart."""
    if part.__module__.partition(".")[0] == "torch":
        return None
    try:
        return Path(inspect.getfile(part))
    except (TypeError, OSError):
        return None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
